/* What both APIs need to render an answer: growing bytes, frames, and the content of the deltas. */
#include "render.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void die_of(const char *what) {
    fprintf(stderr, "mock: %s\n", what);
    exit(1);
}

void put(bytes *b, const char *format, ...) {
    va_list args;
    for (;;) {
        va_start(args, format);
        int n = vsnprintf(b->at + b->len, b->room - b->len, format, args);
        va_end(args);
        if (n < 0) die_of("vsnprintf");
        if (b->len + (size_t)n < b->room) {
            b->len += (size_t)n;
            return;
        }
        b->room = (b->room + (size_t)n) * 2 + 256;
        if (!(b->at = realloc(b->at, b->room))) die_of("realloc");
    }
}

void put_frame(rendered *r) {
    put(&r->out, "%zx\r\n%s\r\n", r->frame.len, r->frame.at);
    r->frame.len = 0;
}

/* Some words need escapes and two bytes of UTF-8, as real text does. */
const char *word(int i) {
    static const char *const words[] = {" the", " gateway", " answers", " in", " small", " pieces,", " one",
                                        " after", " another", ":\\n\\n", " \\\"caf\xc3\xa9\\\"", " and", " so", " on",
                                        " until", " done."};
    return words[i % 16];
}

void put_text(bytes *b, int n) {
    for (int i = 0; i < n; i++) put(b, "%s", word(i));
}

/* The object is {"place": the words, "day": ..., "unit": ...}; its own text is JSON, so its escapes are escaped. */
void put_argument(bytes *b, int i, int n) {
    if (i == 0) put(b, "{\\\"place\\\":\\\"");
    if (i > 0 && i < n - 1)
        for (const char *at = word(i); *at; at++) put(b, *at == '"' || *at == '\\' ? "\\%c" : "%c", *at);
    if (i == n - 1) put(b, "\\\",\\\"day\\\":\\\"2026-03-01\\\",\\\"unit\\\":\\\"celsius\\\"}");
}

void put_arguments(bytes *b, int n) {
    for (int i = 0; i < n; i++) put_argument(b, i, n);
}
