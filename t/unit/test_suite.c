
/*
 * The files of JSONTestSuite (github.com/nst/JSONTestSuite, test_parsing/):
 * those that start with "y_" are accepted, those with "n_" are not; "i_" may
 * be either.  Each is parsed as a whole and in pieces of 1 and of 3 bytes.
 */


#include "unit.h"
#include "mspwh_json.h"

#include <dirent.h>


static void
feed(void *to, const void *data, size_t length)
{
    mspwh_json_feed(to, data, length);
}


static mspwh_json_error_e
parse(const char *text, size_t length, size_t at)
{
    mspwh_json_t  json;

    mspwh_json_init(&json, NULL, NULL);
    feed_pieces(feed, &json, text, length, at);

    return mspwh_json_finish(&json);
}


/* returns 1 if the verdict on the file is not the one in its name */

static int
check_file(const char *directory, const char *name)
{
    char                path[1024], *text;
    FILE               *file;
    size_t              length;
    mspwh_json_error_e  error;

    snprintf(path, sizeof(path), "%s/%s", directory, name);

    text = malloc(1 << 20);
    file = fopen(path, "rb");

    if (text == NULL || file == NULL) {
        perror(path);
        exit(2);
    }

    length = fread(text, 1, 1 << 20, file);
    fclose(file);

    error = parse(text, length, WHOLE);

    if (parse(text, length, BY_BYTES) != error
        || parse(text, length, BY_THREES) != error
        || (name[0] == 'y' && error != MSPWH_JSON_OK)
        || (name[0] == 'n' && error == MSPWH_JSON_OK))
    {
        printf("%s: %s\n", name, mspwh_json_strerror(error));
        free(text);
        return 1;
    }

    free(text);

    return 0;
}


int
main(int argc, char **argv)
{
    DIR            *directory;
    unsigned        files, failed;
    struct dirent  *entry;

    directory = (argc == 2) ? opendir(argv[1]) : NULL;

    if (directory == NULL) {
        fprintf(stderr, "usage: test_suite test_parsing/\n");
        return 2;
    }

    files = failed = 0;

    while ((entry = readdir(directory)) != NULL) {
        if (strchr("yni", entry->d_name[0]) != NULL
            && entry->d_name[1] == '_')
        {
            files++;
            failed += (unsigned) check_file(argv[1], entry->d_name);
        }
    }

    closedir(directory);

    printf("%u files, %u failed\n", files, failed);

    return files == 0 || failed > 0;
}
