
/*
 * Shared by load and its upstream: parses the head of a message.
 */


#ifndef _HEAD_H_INCLUDED_
#define _HEAD_H_INCLUDED_


#include <stdlib.h>
#include <string.h>


/*
 * Ends the head at its last line; there is room for a null after its "length"
 * bytes.  Returns how many bytes of the body are still to come, which is
 * Content-Length minus the bytes after the head, or -1 if the head is
 * incomplete.
 */
static inline long long
head_end(char *head, size_t length)
{
    char  *end, *value;

    head[length] = '\0';
    end = strstr(head, "\r\n\r\n");

    if (end == NULL) {
        return -1;
    }

    end[2] = '\0';
    value = strcasestr(head, "\r\ncontent-length:");

    return (value ? atoll(value + 17) : 0) - (head + length - (end + 4));
}


#endif /* _HEAD_H_INCLUDED_ */
