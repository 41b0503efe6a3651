
/*
 * A fuzz target without libFuzzer, for compilers and machines that do not have
 * it: replay ROUNDS DIRECTORY... takes each file, and ROUNDS variations of it,
 * the same ones each time.
 */


#include "check.h"

#include <dirent.h>
#include <string.h>


#define REPLAY_MAX  4096


static size_t replay_directory(const char *directory, size_t rounds);
static size_t replay_read(const char *directory, const char *name,
    uint8_t *data);
static size_t replay_vary(uint8_t *data, size_t size, uint64_t *state);


int
main(int argc, char **argv)
{
    int     i;
    size_t  runs;

    runs = 0;

    for (i = 2; i < argc; i++) {
        runs += replay_directory(argv[i], strtoul(argv[1], NULL, 10));
    }

    printf("%lu inputs\n", (unsigned long) runs);

    return runs > 0 ? 0 : 1;
}


static size_t
replay_directory(const char *directory, size_t rounds)
{
    DIR            *dir;
    size_t          i, size, runs;
    uint8_t         data[REPLAY_MAX];
    uint64_t        state;
    struct dirent  *entry;

    dir = opendir(directory);
    fuzz_check(dir != NULL, "%s cannot be read", directory);

    runs = 0;

    while ((entry = readdir(dir)) != NULL) {

        if (entry->d_name[0] == '.') {
            continue;
        }

        size = replay_read(directory, entry->d_name, data);
        state = fuzz_seed(data, size);

        for (i = 0; i <= rounds; i++) {
            LLVMFuzzerTestOneInput(data, size);
            size = replay_vary(data, size, &state);
        }

        runs += i;
    }

    closedir(dir);

    return runs;
}


static size_t
replay_read(const char *directory, const char *name, uint8_t *data)
{
    char    path[1024];
    FILE   *file;
    size_t  size;

    snprintf(path, sizeof(path), "%s/%s", directory, name);

    file = fopen(path, "rb");
    fuzz_check(file != NULL, "%s cannot be read", path);

    size = fread(data, 1, REPLAY_MAX, file);
    fclose(file);

    return size;
}


/* each variation changes the one before */

static size_t
replay_vary(uint8_t *data, size_t size, uint64_t *state)
{
    static const char  bytes[] = "\"\\{}[]:,0-.eEtfnu \xc3\x80\xed";

    size_t  at, from, length;

    at = fuzz_random(state, size + 1);
    length = fuzz_random(state, 16);

    switch (fuzz_random(state, 4)) {

    case 0:
        if (at < size) {
            data[at] ^= 1 << fuzz_random(state, 8);
        }

        return size;

    case 1:
        if (at < size) {
            data[at] = (uint8_t) bytes[fuzz_random(state, sizeof(bytes) - 1)];
        }

        return size;

    case 2:
        length = length < size - at ? length : size - at;
        memmove(data + at, data + at + length, size - at - length);

        return size - length;

    default:
        from = fuzz_random(state, size + 1);
        length = length < size - from ? length : size - from;

        if (size + length > REPLAY_MAX) {
            return size;
        }

        memmove(data + at + length, data + at, size - at);
        memmove(data + at, data + from, length);

        return size + length;
    }
}
