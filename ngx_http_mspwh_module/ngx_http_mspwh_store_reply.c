
#include "ngx_http_mspwh_store_reply.h"


typedef struct {
    const char                    *word;
    ngx_http_mspwh_store_cause_e   cause;
    ngx_uint_t                     passes;
} ngx_http_mspwh_store_error_t;


#define NGX_HTTP_MSPWH_STORE_CAUSE_NAME(constant, name)                       \
    [NGX_HTTP_MSPWH_STORE_ ## constant] = name,

const char  *ngx_http_mspwh_store_causes[] = {
    NGX_HTTP_MSPWH_STORE_CAUSE_TABLE(NGX_HTTP_MSPWH_STORE_CAUSE_NAME)
};


/* by the first word of an error */

static const ngx_http_mspwh_store_error_t  ngx_http_mspwh_store_words[] = {
    { "NOAUTH", NGX_HTTP_MSPWH_STORE_AUTH, 0 },
    { "WRONGPASS", NGX_HTTP_MSPWH_STORE_AUTH, 0 },
    { "NOPERM", NGX_HTTP_MSPWH_STORE_AUTH, 0 },
    { "READONLY", NGX_HTTP_MSPWH_STORE_ROLE, 0 },
    { "MASTERDOWN", NGX_HTTP_MSPWH_STORE_ROLE, 0 },
    { "LOADING", NGX_HTTP_MSPWH_STORE_LOADING, 0 },
    { "OOM", NGX_HTTP_MSPWH_STORE_FULL, 0 },
    { "NOREPLICAS", NGX_HTTP_MSPWH_STORE_REPLICAS, 1 },
    { "MISCONF", NGX_HTTP_MSPWH_STORE_REFUSED, 1 },
    { "BUSY", NGX_HTTP_MSPWH_STORE_REFUSED, 1 },
    { NULL, NGX_HTTP_MSPWH_STORE_REFUSED, 0 }
};


int
ngx_http_mspwh_store_read(mspwh_resp_t *resp, const char **p, const char *end)
{
    int      found;
    size_t   i, len;
    u_char  *text;

    found = mspwh_resp_read(resp, p, end);

    if (found == 1) {
        text = (u_char *) resp->text;
        len = ngx_min(resp->length, MSPWH_RESP_TEXT);

        for (i = 0; i < len; i++) {
            if (text[i] < 0x20 || text[i] == 0x7f) {
                text[i] = '?';
            }
        }
    }

    return found;
}


static const ngx_http_mspwh_store_error_t *
ngx_http_mspwh_store_find_error(mspwh_resp_t *resp)
{
    size_t                               len;
    const ngx_http_mspwh_store_error_t  *error;

    len = strcspn(resp->text, " ");

    for (error = ngx_http_mspwh_store_words; error->word; error++) {
        if (ngx_strlen(error->word) == len
            && ngx_strncmp(resp->text, error->word, len) == 0)
        {
            break;
        }
    }

    return error;
}


ngx_http_mspwh_store_cause_e
ngx_http_mspwh_store_cause(mspwh_resp_t *resp)
{
    return ngx_http_mspwh_store_find_error(resp)->cause;
}


ngx_uint_t
ngx_http_mspwh_store_passes(mspwh_resp_t *resp)
{
    return ngx_http_mspwh_store_find_error(resp)->passes;
}


ngx_uint_t
ngx_http_mspwh_store_is_elsewhere(ngx_http_mspwh_store_cause_e cause)
{
    return cause == NGX_HTTP_MSPWH_STORE_ROLE
           || cause == NGX_HTTP_MSPWH_STORE_LOADING;
}


ngx_int_t
ngx_http_mspwh_store_hello_element(ngx_http_mspwh_hello_t *hello,
    mspwh_resp_t *resp, ngx_http_mspwh_store_cause_e *cause)
{
    char  *arguments;

    if (resp->type == MSPWH_RESP_ERROR) {

        /* quotes the arguments of an unknown command, such as the password */

        arguments = strstr(resp->text, ", with args");

        if (arguments != NULL) {
            *arguments = '\0';
        }

        *cause = ngx_http_mspwh_store_cause(resp);
        return NGX_ERROR;
    }

    if (hello->is_role) {
        hello->is_primary = (ngx_strcmp(resp->text, "master") == 0);
    }

    hello->is_role = (ngx_strcmp(resp->text, "role") == 0);

    if (!resp->last) {
        return NGX_AGAIN;
    }

    *cause = NGX_HTTP_MSPWH_STORE_ROLE;

    return hello->is_primary ? NGX_OK : NGX_ERROR;
}
