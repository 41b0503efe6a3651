
#include "ngx_http_mspwh_json.h"


static ngx_int_t ngx_http_mspwh_json_null(cJSON *object, const char *name);


/* cJSON keeps numbers as doubles, which are exact up to 15 digits only */

ngx_int_t
ngx_http_mspwh_json_number(cJSON *object, const char *name, uint64_t n)
{
    u_char  text[NGX_INT64_LEN + 1];

    ngx_sprintf(text, "%uL%Z", n);

    return (cJSON_AddRawToObject(object, name, (char *) text) != NULL)
           ? NGX_OK : NGX_ERROR;
}


ngx_int_t
ngx_http_mspwh_json_bool(cJSON *object, const char *name, ngx_uint_t value)
{
    return (cJSON_AddBoolToObject(object, name, value != 0) != NULL)
           ? NGX_OK : NGX_ERROR;
}


ngx_int_t
ngx_http_mspwh_json_nonzero(cJSON *object, const char *name, uint64_t n)
{
    return (n != 0) ? ngx_http_mspwh_json_number(object, name, n)
                    : ngx_http_mspwh_json_null(object, name);
}


ngx_int_t
ngx_http_mspwh_json_known(cJSON *object, const char *name, int64_t n)
{
    return (n >= 0) ? ngx_http_mspwh_json_number(object, name, n)
                    : ngx_http_mspwh_json_null(object, name);
}


ngx_int_t
ngx_http_mspwh_json_text(cJSON *object, const char *name, const char *text)
{
    if (text[0] == '\0') {
        return ngx_http_mspwh_json_null(object, name);
    }

    return (cJSON_AddStringToObject(object, name, text) != NULL)
           ? NGX_OK : NGX_ERROR;
}


static ngx_int_t
ngx_http_mspwh_json_null(cJSON *object, const char *name)
{
    return (cJSON_AddNullToObject(object, name) != NULL) ? NGX_OK : NGX_ERROR;
}


ngx_int_t
ngx_http_mspwh_json_date(cJSON *object, const char *name, uint64_t msec,
    ngx_uint_t fraction)
{
    u_char   *p, text[sizeof("1970-01-01T00:00:00.000Z") + NGX_INT64_LEN];
    ngx_tm_t  tm;

    if (msec == 0) {
        return ngx_http_mspwh_json_null(object, name);
    }

    ngx_gmtime(msec / 1000, &tm);

    p = ngx_sprintf(text, "%4d-%02d-%02dT%02d:%02d:%02d",
                    tm.ngx_tm_year, tm.ngx_tm_mon, tm.ngx_tm_mday,
                    tm.ngx_tm_hour, tm.ngx_tm_min, tm.ngx_tm_sec);

    if (fraction) {
        p = ngx_sprintf(p, ".%03uL", msec % 1000);
    }

    ngx_sprintf(p, "Z%Z");

    return ngx_http_mspwh_json_text(object, name, (char *) text);
}


ngx_int_t
ngx_http_mspwh_json_string(cJSON *object, const char *name, u_char *data,
    size_t len)
{
    u_char  text[256 + 1];

    if (len == 0) {
        return ngx_http_mspwh_json_null(object, name);
    }

    len = ngx_min(len, 256);
    ngx_memcpy(text, data, len);
    text[len] = '\0';

    return ngx_http_mspwh_json_text(object, name, (char *) text);
}


cJSON *
ngx_http_mspwh_json_element(cJSON *array)
{
    cJSON  *object;

    object = cJSON_CreateObject();

    if (object != NULL && !cJSON_AddItemToArray(array, object)) {
        cJSON_Delete(object);
        return NULL;
    }

    return object;
}
