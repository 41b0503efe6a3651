
/*
 * What load and its upstream have in common: the head of a message.
 */


#ifndef _HEAD_H_INCLUDED_
#define _HEAD_H_INCLUDED_


#include <stdlib.h>
#include <string.h>


/*
 * Ends the head, with room for a null after its "length" bytes, at its last
 * line.  Returns how many bytes of the body are to come, which is what
 * Content-Length says without those after the head, or -1 where the head is
 * not whole.
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
