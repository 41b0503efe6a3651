
/*
 * A key in the store is the zone's prefix and the event's key in Base64, which
 * takes less memory there than hexadecimal.  Its value is "d" if the event has
 * been delivered, or else "p" and the token of the claim: the worker's random
 * number, a dot, and the claim's number.
 */


#include "ngx_http_mspwh_store_command.h"


/* 32 bytes in Base64, without padding */
#define NGX_HTTP_MSPWH_STORE_KEY  43

#define NGX_HTTP_MSPWH_STORE_VALUE                                            \
    (2 * NGX_HTTP_MSPWH_STORE_RANDOM + sizeof("p.") + NGX_INT64_LEN)


static char *ngx_http_mspwh_store_write_set(
    ngx_http_mspwh_store_words_t *words,
    ngx_http_mspwh_store_command_t *command, char *p);
static char *ngx_http_mspwh_store_write_script(
    ngx_http_mspwh_store_words_t *words,
    ngx_http_mspwh_store_command_t *command, char *p);
static char *ngx_http_mspwh_store_key(ngx_http_mspwh_store_words_t *words,
    ngx_http_mspwh_store_command_t *command, char *p);
static size_t ngx_http_mspwh_store_value(ngx_http_mspwh_store_words_t *words,
    ngx_http_mspwh_store_command_t *command, u_char *value);
static char *ngx_http_mspwh_store_word(char *p, const char *word);
static char *ngx_http_mspwh_store_number(char *p, ngx_msec_t number);


/* compare first: another worker may have the claim by now */

static ngx_str_t  ngx_http_mspwh_store_renew_script = ngx_string(
    "if redis.call('get',KEYS[1])==ARGV[1] then "
    "return redis.call('pexpire',KEYS[1],ARGV[2]) end return 0");

static ngx_str_t  ngx_http_mspwh_store_forget_script = ngx_string(
    "if redis.call('get',KEYS[1])==ARGV[1] then "
    "return redis.call('del',KEYS[1]) end return 0");


size_t
ngx_http_mspwh_store_command_size(ngx_http_mspwh_store_words_t *words)
{
    /* 1024: the heads of all words, the key, the value and the script */

    return words->hello.len + words->prefix.len + 1024;
}


u_char *
ngx_http_mspwh_store_write(ngx_http_mspwh_store_words_t *words,
    ngx_http_mspwh_store_command_t *command, u_char *start)
{
    char  *p;

    p = (char *) start;

    switch (command->type) {

    case NGX_HTTP_MSPWH_STORE_HELLO:
        return ngx_cpymem(start, words->hello.data, words->hello.len);

    case NGX_HTTP_MSPWH_STORE_POLICY:
        p = mspwh_resp_array(p, 3);
        p = ngx_http_mspwh_store_word(p, "CONFIG");
        p = ngx_http_mspwh_store_word(p, "GET");
        p = ngx_http_mspwh_store_word(p, "maxmemory-policy");
        break;

    case NGX_HTTP_MSPWH_STORE_PROBE:
    case NGX_HTTP_MSPWH_STORE_LEFT:
        p = mspwh_resp_array(p, 2);
        p = ngx_http_mspwh_store_word(p, "PTTL");
        p = ngx_http_mspwh_store_key(words, command, p);
        break;

    case NGX_HTTP_MSPWH_STORE_CLAIM:
    case NGX_HTTP_MSPWH_STORE_SETTLE:
        p = ngx_http_mspwh_store_write_set(words, command, p);
        break;

    default: /* NGX_HTTP_MSPWH_STORE_RENEW, NGX_HTTP_MSPWH_STORE_FORGET */
        p = ngx_http_mspwh_store_write_script(words, command, p);
    }

    return (u_char *) p;
}


static char *
ngx_http_mspwh_store_write_set(ngx_http_mspwh_store_words_t *words,
    ngx_http_mspwh_store_command_t *command, char *p)
{
    u_char  value[NGX_HTTP_MSPWH_STORE_VALUE];

    if (command->type == NGX_HTTP_MSPWH_STORE_SETTLE) {
        p = mspwh_resp_array(p, 5);
        p = ngx_http_mspwh_store_word(p, "SET");
        p = ngx_http_mspwh_store_key(words, command, p);
        p = ngx_http_mspwh_store_word(p, "d");
        p = ngx_http_mspwh_store_word(p, "PX");

        return ngx_http_mspwh_store_number(p, words->ttl);
    }

    p = mspwh_resp_array(p, 7);
    p = ngx_http_mspwh_store_word(p, "SET");
    p = ngx_http_mspwh_store_key(words, command, p);
    p = mspwh_resp_string(p, value,
                          ngx_http_mspwh_store_value(words, command, value));
    p = ngx_http_mspwh_store_word(p, "NX");
    p = ngx_http_mspwh_store_word(p, "GET");
    p = ngx_http_mspwh_store_word(p, "PX");

    return ngx_http_mspwh_store_number(p, words->pending);
}


static char *
ngx_http_mspwh_store_write_script(ngx_http_mspwh_store_words_t *words,
    ngx_http_mspwh_store_command_t *command, char *p)
{
    u_char       value[NGX_HTTP_MSPWH_STORE_VALUE];
    ngx_str_t   *script;
    ngx_uint_t   renew;

    renew = (command->type == NGX_HTTP_MSPWH_STORE_RENEW);
    script = renew ? &ngx_http_mspwh_store_renew_script
                   : &ngx_http_mspwh_store_forget_script;

    p = mspwh_resp_array(p, renew ? 6 : 5);
    p = ngx_http_mspwh_store_word(p, "EVAL");
    p = mspwh_resp_string(p, script->data, script->len);
    p = ngx_http_mspwh_store_word(p, "1");
    p = ngx_http_mspwh_store_key(words, command, p);
    p = mspwh_resp_string(p, value,
                          ngx_http_mspwh_store_value(words, command, value));

    return renew ? ngx_http_mspwh_store_number(p, words->pending) : p;
}


static char *
ngx_http_mspwh_store_key(ngx_http_mspwh_store_words_t *words,
    ngx_http_mspwh_store_command_t *command, char *p)
{
    ngx_str_t  key, text;

    p = mspwh_resp_length(p, words->prefix.len + NGX_HTTP_MSPWH_STORE_KEY);
    p = (char *) ngx_cpymem(p, words->prefix.data, words->prefix.len);

    key.data = command->key;
    key.len = MSPWH_TABLE_KEY;
    text.data = (u_char *) p;

    ngx_encode_base64url(&text, &key);

    return mspwh_resp_end(p + text.len);
}


static size_t
ngx_http_mspwh_store_value(ngx_http_mspwh_store_words_t *words,
    ngx_http_mspwh_store_command_t *command, u_char *value)
{
    return ngx_sprintf(value, "p%*s.%uL", sizeof(words->token), words->token,
                       command->number)
           - value;
}


static char *
ngx_http_mspwh_store_word(char *p, const char *word)
{
    return mspwh_resp_string(p, word, ngx_strlen(word));
}


static char *
ngx_http_mspwh_store_number(char *p, ngx_msec_t number)
{
    u_char  text[NGX_INT64_LEN];

    return mspwh_resp_string(p, text, ngx_sprintf(text, "%M", number) - text);
}


ngx_uint_t
ngx_http_mspwh_store_is_own(ngx_http_mspwh_store_words_t *words,
    ngx_http_mspwh_store_command_t *command, mspwh_resp_t *resp)
{
    size_t  len;
    u_char  value[NGX_HTTP_MSPWH_STORE_VALUE];

    len = ngx_http_mspwh_store_value(words, command, value);

    return resp->type == MSPWH_RESP_STRING && resp->length == len
           && ngx_memcmp(resp->text, value, len) == 0;
}


ngx_uint_t
ngx_http_mspwh_store_is_write(ngx_http_mspwh_store_command_t *command)
{
    return command->type == NGX_HTTP_MSPWH_STORE_CLAIM
           || command->type == NGX_HTTP_MSPWH_STORE_SETTLE;
}


uint64_t
ngx_http_mspwh_store_now(void)
{
    struct timespec  ts;

    (void) clock_gettime(CLOCK_MONOTONIC, &ts);

    return (uint64_t) ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}
