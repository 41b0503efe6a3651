
#include "inspect_report.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>


#define INSPECT_NAME         "X-Webhook-Signature"
#define INSPECT_SECRET_FILE  4096
#define INSPECT_POINTERS     64


typedef enum {
    INSPECT_SECRET = 1,
    INSPECT_SIGNATURE,
    INSPECT_HEADERS,
    INSPECT_FIELD,
    INSPECT_JSON,
    INSPECT_HELP,
    INSPECT_VERSION
} inspect_option_e;


typedef struct {
    inspect_input_t    input;
    int                as_json;
    int                is_signed;

    unsigned           npointers[MSPWH_ROLES];
    mspwh_pointer_t   *pointers[MSPWH_ROLES][INSPECT_POINTERS];
} inspect_options_t;


static void inspect_options(inspect_options_t *options, int argc,
    char **argv);
static void inspect_option(inspect_options_t *options,
    inspect_option_e option, const char *value);
static void inspect_field(inspect_options_t *options, const char *argument);
static void inspect_secret_file(inspect_input_t *input, const char *file);
static const char *inspect_check_secret(inspect_text_t *secret);
static void inspect_headers(inspect_input_t *input, const char *file);
static void inspect_header(inspect_input_t *input, const char *line,
    size_t length);
static void inspect_signature(inspect_input_t *input, const char *text,
    size_t length);
static inspect_text_t inspect_read(const char *file);
static void inspect_release(inspect_options_t *options);


static const char  inspect_help[] =
"Usage: mspwh-inspect [option ...] FILE\n"
"\n"
"Judges a saved event as ngx_http_mspwh_module does: the body in FILE (\"-\"\n"
"is standard input), byte for byte. Prints the verdict and the reason, the\n"
"event's type and ids and where they were found, anomalies, and all values\n"
"that could be a type or an id, for mspwh_field. If the signature does not\n"
"match, tries the usual mistakes and names the one that explains it.\n"
"\n"
"How to check the signature\n"
"  --secret-file FILE  the secret, as in nginx's mspwh_secret_file; up to\n"
"                      8 times\n"
"  --signature VALUE   the value of the header X-Webhook-Signature\n"
"  --headers FILE      take the signature from these header fields, such as\n"
"                      those that mspwh_spool has stored beside the body\n"
"\n"
"How to read the body\n"
"  --field ROLE=POINTER\n"
"                      where a role is, as in nginx's mspwh_field:\n"
"                      event_type, entity_id, ticket_id or response_type;\n"
"                      once for each pointer, in order\n"
"\n"
"And\n"
"  --json              print JSON\n"
"  --help              print this\n"
"  --version           print the version\n"
"\n"
"The secret is never printed. An event is read from a body that is not\n"
"signed, too: only the verdict tells whether it can be trusted.\n"
"\n"
"Exit status: 0 if the event is verified and usable; 1 if it would be\n"
"rejected; 2 if the arguments are wrong or a file cannot be read.\n"
"\n"
"Examples\n"
"  mspwh-inspect event.json\n"
"  mspwh-inspect --secret-file F --signature \"$signature\" event.json\n"
"  mspwh-inspect --secret-file F --headers e.headers e.body\n";


int
main(int argc, char **argv)
{
    int                        status;
    inspect_result_t           result;
    static inspect_options_t   options;

    inspect_options(&options, argc, argv);
    inspect_judge(&result, &options.input);

    if (options.as_json) {
        inspect_print_json(&options.input, &result);

    } else {
        inspect_print_text(&options.input, &result);
    }

    status = (result.reason != INSPECT_NO_REASON);

    inspect_cleanup(&result);
    inspect_release(&options);

    if (fflush(stdout) != 0 || ferror(stdout)) {
        perror("mspwh-inspect: standard output");
        return 2;
    }

    return status;
}


static void
inspect_options(inspect_options_t *options, int argc, char **argv)
{
    int       option;
    unsigned  i;

    static const struct option  known[] = {
        { "secret-file", required_argument, NULL, INSPECT_SECRET },
        { "signature", required_argument, NULL, INSPECT_SIGNATURE },
        { "headers", required_argument, NULL, INSPECT_HEADERS },
        { "field", required_argument, NULL, INSPECT_FIELD },
        { "json", no_argument, NULL, INSPECT_JSON },
        { "help", no_argument, NULL, INSPECT_HELP },
        { "version", no_argument, NULL, INSPECT_VERSION },
        { NULL, 0, NULL, 0 }
    };

    opterr = 0;

    while ((option = getopt_long(argc, argv, "", known, NULL)) != -1) {
        if (option == '?') {
            inspect_usage("\"%s\" is no option, or lacks its value",
                          argv[optind - 1]);
        }

        inspect_option(options, (inspect_option_e) option, optarg);
    }

    if (argc - optind != 1) {
        inspect_usage("%s", (argc == optind) ? "no FILE"
                                             : "more than one FILE");
    }

    for (i = 0; i < MSPWH_ROLES; i++) {
        options->input.fields.roles[i].npointers = options->npointers[i];
        options->input.fields.roles[i].pointers = options->pointers[i];
    }

    options->input.body = inspect_read(argv[optind]);
}


static void
inspect_option(inspect_options_t *options, inspect_option_e option,
    const char *value)
{
    switch (option) {

    case INSPECT_SECRET:
        inspect_secret_file(&options->input, value);
        break;

    case INSPECT_SIGNATURE:
    case INSPECT_HEADERS:
        if (options->is_signed) {
            inspect_usage("only one --signature or --headers");
        }

        options->is_signed = 1;

        if (option == INSPECT_SIGNATURE) {
            inspect_signature(&options->input, value, strlen(value));

        } else {
            inspect_headers(&options->input, value);
        }

        break;

    case INSPECT_FIELD:
        inspect_field(options, value);
        break;

    case INSPECT_JSON:
        options->as_json = 1;
        break;

    case INSPECT_HELP:
        fputs(inspect_help, stdout);
        exit(0);

    default: /* INSPECT_VERSION */
        puts("mspwh-inspect " MSPWH_VERSION);
        exit(0);
    }
}


static void
inspect_field(inspect_options_t *options, const char *argument)
{
    size_t            length;
    unsigned          role;
    mspwh_pointer_t  *pointer;

    length = strcspn(argument, "=");

    for (role = 0; role < MSPWH_ROLES; role++) {
        if (strlen(inspect_roles[role]) == length
            && memcmp(inspect_roles[role], argument, length) == 0)
        {
            break;
        }
    }

    if (role == MSPWH_ROLES || argument[length] == '\0') {
        inspect_usage("--field \"%s\" is not ROLE=POINTER, with one of the "
                      "roles event_type, entity_id, ticket_id and "
                      "response_type", argument);
    }

    argument += length + 1;

    if (mspwh_pointer_parse(argument, strlen(argument), &pointer) != 0) {
        inspect_usage("\"%s\" is no JSON pointer: it must be UTF-8, of up to "
                      "%d parts with \"/\" before each, and \"~\" only in "
                      "\"~0\" and \"~1\"", argument, MSPWH_POINTER_TOKENS);
    }

    if (pointer == NULL) {
        inspect_no_memory();
    }

    if (options->npointers[role] == INSPECT_POINTERS) {
        inspect_usage("more than %d pointers for one role", INSPECT_POINTERS);
    }

    options->pointers[role][options->npointers[role]++] = pointer;
}


static void
inspect_secret_file(inspect_input_t *input, const char *file)
{
    const char        *wrong;
    inspect_secret_t  *secret;

    if (input->nsecrets == MSPWH_SECRETS) {
        inspect_usage("more than %d secrets", MSPWH_SECRETS);
    }

    secret = &input->secrets[input->nsecrets++];

    secret->file = file;
    secret->text = inspect_read(file);

    wrong = inspect_check_secret(&secret->text);

    if (wrong != NULL) {
        inspect_usage("the secret file \"%s\" %s", file, wrong);
    }
}


/* like ngx_http_mspwh_check_secret(); returns what is wrong, or NULL */

static const char *
inspect_check_secret(inspect_text_t *secret)
{
    if (secret->length > 0 && secret->data[secret->length - 1] == '\n') {
        secret->length--;

        if (secret->length > 0 && secret->data[secret->length - 1] == '\r') {
            secret->length--;
        }

        secret->data[secret->length] = '\0';
    }

    if (secret->length == 0) {
        return "is empty";
    }

    if (secret->length > INSPECT_SECRET_FILE) {
        return "is over 4 KB";
    }

    if (strlen(secret->data) < secret->length) {
        return "has a null byte";
    }

    return (strpbrk(secret->data, "\r\n") != NULL)
           ? "has a newline inside, it must be one line" : NULL;
}


/* reads the fields up to an empty line */

static void
inspect_headers(inspect_input_t *input, const char *file)
{
    size_t           length;
    const char      *line;
    inspect_text_t   headers;

    headers = inspect_read(file);

    for (line = headers.data; *line != '\0'; line += length) {
        length = strcspn(line, "\n");

        if (length == 0 || (length == 1 && line[0] == '\r')) {
            break;
        }

        inspect_header(input, line, length);

        length += (line[length] == '\n');
    }

    free(headers.data);
}


static void
inspect_header(inspect_input_t *input, const char *line, size_t length)
{
    size_t  name;

    name = strlen(INSPECT_NAME);

    if (length <= name || line[name] != ':'
        || strncasecmp(line, INSPECT_NAME, name) != 0)
    {
        return;
    }

    if (input->has_signature) {
        input->is_repeated = 1;
        return;
    }

    length -= (line[length - 1] == '\r');

    inspect_signature(input, line + name + 1, length - name - 1);
}


/* RFC 9110, section 5.5: white space around a value is not part of it */

static void
inspect_signature(inspect_input_t *input, const char *text, size_t length)
{
    while (length > 0 && (text[0] == ' ' || text[0] == '\t')) {
        text++;
        length--;
    }

    while (length > 0
           && (text[length - 1] == ' ' || text[length - 1] == '\t'))
    {
        length--;
    }

    input->signature = inspect_text(text, length);
    input->has_signature = 1;
}


static inspect_text_t
inspect_read(const char *file)
{
    int              fd;
    size_t           size;
    ssize_t          n;
    inspect_text_t   text;

    fd = (strcmp(file, "-") == 0) ? STDIN_FILENO
                                  : open(file, O_RDONLY|O_CLOEXEC);
    size = 65536;

    text.length = 0;
    text.data = inspect_alloc(size);

    do {
        if (size - text.length < 65536) {
            size *= 2;
            text.data = inspect_realloc(text.data, size);
        }

        n = (fd == -1) ? -1 : read(fd, text.data + text.length,
                                   size - text.length - 1);
        if (n == -1) {
            fprintf(stderr, "mspwh-inspect: \"%s\": %s\n", file,
                    strerror(errno));
            exit(2);
        }

        text.length += (size_t) n;

    } while (n > 0);

    text.data[text.length] = '\0';

    if (fd != STDIN_FILENO) {
        close(fd);
    }

    return text;
}


static void
inspect_release(inspect_options_t *options)
{
    unsigned          i, role;
    inspect_input_t  *input;

    input = &options->input;

    for (i = 0; i < input->nsecrets; i++) {
        mspwh_cleanse(input->secrets[i].text.data,
                      input->secrets[i].text.length);
        free(input->secrets[i].text.data);
    }

    for (role = 0; role < MSPWH_ROLES; role++) {
        for (i = 0; i < options->npointers[role]; i++) {
            free(options->pointers[role][i]);
        }
    }

    free(input->signature.data);
    free(input->body.data);
}
