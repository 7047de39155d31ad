/* What the mock upstream says: every answer is a script of pieces, one write each, rendered once. */
#ifndef ANSWERS_H
#define ANSWERS_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MODEL_LIMIT 64

/* What the deltas of a stream are. */
typedef enum { TEXT, ARGUMENTS, REASONING } content;

typedef struct { char *at; size_t len; } piece;
typedef struct {
    char model[MODEL_LIMIT];
    bool chat, stream, usage;
    content content;
    piece *pieces;
    int n;
    uint64_t pause; /* nanoseconds before each piece but the first */
} script;

/* The answer to a request: its head (request line and header lines) and its body, both ending in a zero byte. */
const script *answer_to(const char *head, const char *body);

#endif
