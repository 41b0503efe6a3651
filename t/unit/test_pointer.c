
/*
 * JSON Pointers.
 */


#include "unit.h"
#include "mspwh_pointer.h"


#define NO_INDEX    MSPWH_POINTER_NO_INDEX
#define SLASHES_32  "////////////////////////////////"


static void
test_refuse(void **state)
{
    size_t            i;
    mspwh_pointer_t  *pointer;

    static const char *const  refused[] = {
        "", "a", "a/b", "~0", "#/a", " /a", "/~", "/a~", "/~2", "/~/a",
        "/a/~", "/~~0", "/~a", "/a~0~", SLASHES_32 "/",

        /* not UTF-8 */
        "/\xff", "/a/\xff", "/\xc3", "/\xc3/\xa9", "/a\x80", "/\xc0\xaf",
        "/\xed\xa0\x80", "/\xf4\x90\x80\x80", "/\xf0\x9f\x92",
    };

    (void) state;

    for (i = 0; i < nitems(refused); i++) {
        pointer = (mspwh_pointer_t *) refused;

        if (mspwh_pointer_parse(refused[i], strlen(refused[i]), &pointer)
            != -1)
        {
            fail_msg("accepted: %s", refused[i]);
        }

        assert_null(pointer);
    }

    assert_int_equal(mspwh_pointer_parse(TEXT("/a\0b"), &pointer), -1);

    /* the escape continues after the end of the text */

    assert_int_equal(mspwh_pointer_parse("/~0", 2, &pointer), -1);
}


static void
test_accept(void **state)
{
    size_t            i;
    mspwh_pointer_t  *pointer;

    static const struct {
        const char  *text;
        size_t       length;
        unsigned     ntokens;

        /* the last token's */
        const char  *name;
        size_t       name_length;
        size_t       index;
    } cases[] = {
        { TEXT("/"), 1, TEXT(""), NO_INDEX },
        { TEXT("/a"), 1, TEXT("a"), NO_INDEX },
        { TEXT("/a/"), 2, TEXT(""), NO_INDEX },
        { TEXT("//"), 2, TEXT(""), NO_INDEX },
        { TEXT("/a/bc"), 2, TEXT("bc"), NO_INDEX },
        { TEXT("/a b\"\\"), 1, TEXT("a b\"\\"), NO_INDEX },
        { TEXT("/\xc3\xa9/\xf0\x9f\x92\xa9"), 2, TEXT("\xf0\x9f\x92\xa9"),
          NO_INDEX },
        { "/abc", 2, 1, TEXT("a"), NO_INDEX },
        { TEXT("/~0"), 1, TEXT("~"), NO_INDEX },
        { TEXT("/~1"), 1, TEXT("/"), NO_INDEX },
        { TEXT("/~01"), 1, TEXT("~1"), NO_INDEX },
        { TEXT("/~10"), 1, TEXT("/0"), NO_INDEX },
        { TEXT("/a~1b/c~0d~1"), 2, TEXT("c~d/"), NO_INDEX },
        { TEXT(SLASHES_32), 32, TEXT(""), NO_INDEX },

        { TEXT("/0"), 1, TEXT("0"), 0 },
        { TEXT("/7"), 1, TEXT("7"), 7 },
        { TEXT("/10"), 1, TEXT("10"), 10 },
        { TEXT("/a/123456789"), 2, TEXT("123456789"), 123456789 },
        { TEXT("/1234567890"), 1, TEXT("1234567890"), NO_INDEX },
        { TEXT("/00"), 1, TEXT("00"), NO_INDEX },
        { TEXT("/01"), 1, TEXT("01"), NO_INDEX },
        { TEXT("/-"), 1, TEXT("-"), NO_INDEX },
        { TEXT("/-1"), 1, TEXT("-1"), NO_INDEX },
        { TEXT("/+1"), 1, TEXT("+1"), NO_INDEX },
        { TEXT("/1a"), 1, TEXT("1a"), NO_INDEX },
        { TEXT("/1:"), 1, TEXT("1:"), NO_INDEX },
        { TEXT("/ 1"), 1, TEXT(" 1"), NO_INDEX },
    };

    (void) state;

    for (i = 0; i < nitems(cases); i++) {
        assert_int_equal(mspwh_pointer_parse(cases[i].text, cases[i].length,
                                             &pointer), 0);
        assert_non_null(pointer);
        assert_int_equal(pointer->ntokens, cases[i].ntokens);
        assert_int_equal(strlen(pointer->text), cases[i].length);
        assert_memory_equal(pointer->text, cases[i].text, cases[i].length);

        assert_string_equal(pointer->tokens[pointer->ntokens - 1].name,
                            cases[i].name);
        assert_int_equal(pointer->tokens[pointer->ntokens - 1].length,
                         cases[i].name_length);
        assert_int_equal(pointer->tokens[pointer->ntokens - 1].index,
                         cases[i].index);

        free(pointer);
    }

    assert_int_equal(mspwh_pointer_parse(TEXT("/x~1y/3/z"), &pointer), 0);
    assert_int_equal(pointer->ntokens, 3);
    assert_string_equal(pointer->tokens[0].name, "x/y");
    assert_string_equal(pointer->tokens[1].name, "3");
    assert_int_equal(pointer->tokens[1].index, 3);
    assert_string_equal(pointer->tokens[2].name, "z");
    free(pointer);
}


static void
test_tree(void **state)
{
    size_t                 i;
    mspwh_pointer_t       *pointers[6];
    mspwh_pointer_node_t  *root, *a, *nodes[nitems(pointers)];

    /* unsorted; the last one equals the first */

    static const char *const  texts[nitems(pointers)] = {
        "/a/2", "/a/b", "/a/0/x", "/bb", "/a/10", "/a/2",
    };

    (void) state;

    root = mspwh_pointer_tree();
    assert_non_null(root);
    assert_int_equal(mspwh_pointer_next(root, 0), NO_INDEX);

    for (i = 0; i < nitems(texts); i++) {
        mspwh_pointer_parse(texts[i], strlen(texts[i]), &pointers[i]);
        nodes[i] = mspwh_pointer_add(root, pointers[i]);
        assert_non_null(nodes[i]);
        assert_true(i == 5 || nodes[i]->slot == MSPWH_POINTER_NO_SLOT);
        nodes[i]->slot = (unsigned) i;
    }

    assert_ptr_equal(nodes[0], nodes[5]);
    assert_int_equal(root->nchildren, 2);

    a = mspwh_pointer_member(root, "ab", 1);
    assert_non_null(a);
    assert_int_equal(a->nchildren, 4);
    assert_int_equal(a->slot, MSPWH_POINTER_NO_SLOT);
    assert_null(mspwh_pointer_member(root, "b", 1));
    assert_null(mspwh_pointer_member(root, "A", 1));
    assert_null(mspwh_pointer_member(root, "", 0));
    assert_ptr_equal(mspwh_pointer_member(root, "bb", 2), nodes[3]);

    /* in an object, an index is a name */

    assert_ptr_equal(mspwh_pointer_member(a, "2", 1), nodes[0]);
    assert_ptr_equal(mspwh_pointer_member(a, "b", 1), nodes[1]);
    assert_null(mspwh_pointer_member(a, "02", 2));
    assert_ptr_equal(mspwh_pointer_element(a, 2), nodes[0]);
    assert_ptr_equal(mspwh_pointer_element(a, 10), nodes[4]);
    assert_null(mspwh_pointer_element(a, 1));
    assert_null(mspwh_pointer_element(a, NO_INDEX - 1));

    assert_int_equal(mspwh_pointer_next(a, 0), 0);
    assert_int_equal(mspwh_pointer_next(a, 1), 2);
    assert_int_equal(mspwh_pointer_next(a, 3), 10);
    assert_int_equal(mspwh_pointer_next(a, 11), NO_INDEX);
    mspwh_pointer_tree_free(root);

    for (i = 0; i < nitems(pointers); i++) {
        free(pointers[i]);
    }

    mspwh_pointer_tree_free(NULL);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_refuse),
        cmocka_unit_test(test_accept),
        cmocka_unit_test(test_tree),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
