
/*
 * cmocka, and the headers that it needs.
 */


#ifndef _HEADERS_H_INCLUDED_
#define _HEADERS_H_INCLUDED_


#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>


/* cmocka 2 deprecates the name that cmocka 1 has */

#ifndef assert_uint_in_range
#define assert_uint_in_range  assert_in_range
#endif


#endif /* _HEADERS_H_INCLUDED_ */
