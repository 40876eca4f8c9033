/* tests/kafka/fixture.c - see fixture.h */
#include "fixture.h"

#include <criterion/criterion.h>
#include <stdio.h>

void fixture_open(struct fixture *f, const char *yaml)
{
    char text[1024];
    mock_open(&f->mock, 1);
    snprintf(text, sizeof text, "%s\n%s", f->mock.yaml, yaml);
    cr_assert_eq(kt_open(&f->t, text), OUTBOX_OK, "%s", f->t.error.text);
    cr_assert_eq(kt_start(&f->t), OUTBOX_OK, "%s", f->t.error.text);
}
