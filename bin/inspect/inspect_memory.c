
#include "inspect.h"

#include <stdlib.h>
#include <string.h>


void
inspect_see_help(void)
{
    fputs("\nTry \"mspwh-inspect --help\".\n", stderr);
    exit(2);
}


void
inspect_no_memory(void)
{
    fputs("mspwh-inspect: no memory\n", stderr);
    exit(2);
}


void *
inspect_alloc(size_t size)
{
    return inspect_realloc(NULL, size);
}


void *
inspect_realloc(void *p, size_t size)
{
    p = realloc(p, size);

    if (p == NULL) {
        inspect_no_memory();
    }

    return p;
}


inspect_text_t
inspect_text(const void *data, size_t length)
{
    inspect_text_t  text;

    text.data = inspect_alloc(length + 1);
    text.length = length;

    memcpy(text.data, data, length);
    text.data[length] = '\0';

    return text;
}
