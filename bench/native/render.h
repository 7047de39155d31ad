/* Renders answers as bytes, in the form of each API. A stream is rendered in order: begin, delta 0 to n - 1, end. */
#ifndef RENDER_H
#define RENDER_H
#include "answers.h"

#define TEXT_AFTER_REASONING 4 /* deltas of text in a stream of REASONING, after its n deltas */

/* Bytes that grow, with a zero byte behind them. */
typedef struct { char *at; size_t len, room; } bytes;

/* One stream in the making: the write that is collected, and the SSE frame that is next in it. */
typedef struct {
    const script *answer;
    bytes out, frame;
    int n;        /* deltas */
    int sequence; /* the number of the next Responses event */
} rendered;

typedef struct {
    void (*begin)(rendered *r);
    void (*delta)(rendered *r, int i);
    void (*end)(rendered *r);
    void (*json)(bytes *b, const script *s);
} api;

extern const api chat_api, responses_api;

void die_of(const char *what);
void put(bytes *b, const char *format, ...);

/* Ends the frame: it becomes one HTTP chunk, as servers send them. */
void put_frame(rendered *r);

/* Delta i of a text, and its first n deltas together; escaped for a JSON string. */
const char *word(int i);
void put_text(bytes *b, int n);

/* Piece i of n of a call's arguments, and all n together: one JSON object, escaped for a JSON string. */
void put_argument(bytes *b, int i, int n);
void put_arguments(bytes *b, int n);

#endif
