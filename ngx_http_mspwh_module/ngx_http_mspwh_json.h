
/*
 * Adds members to JSON objects with cJSON.  Each function returns NGX_ERROR if
 * there is no memory, or if the object is NULL: it is enough to check the last
 * of several.
 */


#ifndef _NGX_HTTP_MSPWH_JSON_H_INCLUDED_
#define _NGX_HTTP_MSPWH_JSON_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include <cjson/cJSON.h>


ngx_int_t ngx_http_mspwh_json_number(cJSON *object, const char *name,
    uint64_t n);
ngx_int_t ngx_http_mspwh_json_bool(cJSON *object, const char *name,
    ngx_uint_t value);

/*
 * These write null for 0, a negative number or an empty text.
 */
ngx_int_t ngx_http_mspwh_json_nonzero(cJSON *object, const char *name,
    uint64_t n);
ngx_int_t ngx_http_mspwh_json_known(cJSON *object, const char *name,
    int64_t n);
ngx_int_t ngx_http_mspwh_json_text(cJSON *object, const char *name,
    const char *text);

/*
 * Writes a time in milliseconds in the form of RFC 3339, or null if it is 0.
 */
ngx_int_t ngx_http_mspwh_json_date(cJSON *object, const char *name,
    uint64_t msec, ngx_uint_t fraction);

/*
 * Writes a text of at most 256 bytes that is not null-terminated.
 */
ngx_int_t ngx_http_mspwh_json_string(cJSON *object, const char *name,
    u_char *data, size_t len);

/*
 * Returns a new object at the end of an array, or NULL.
 */
cJSON *ngx_http_mspwh_json_element(cJSON *array);


#endif /* _NGX_HTTP_MSPWH_JSON_H_INCLUDED_ */
