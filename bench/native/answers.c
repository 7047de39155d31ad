/* Chooses the answer to a request. Each kind of answer is rendered at its first use and never freed. */
#define _GNU_SOURCE
#include "render.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- scripts by request, made on first use ---- */

static const char stream_head[] = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\n"
                                  "cache-control: no-cache\r\nx-request-id: req_bench\r\n"
                                  "transfer-encoding: chunked\r\n\r\n";

static void add_piece(script *s, bytes *b) {
    if (!(s->pieces = realloc(s->pieces, (size_t)(s->n + 1) * sizeof *s->pieces))) die_of("realloc");
    s->pieces[s->n++] = (piece){b->at, b->len};
    *b = (bytes){0};
}

static const api *api_of(const script *s) {
    return s->chat ? &chat_api : &responses_api;
}

static void render_stream(script *s, int n, int per_write) {
    const api *api = api_of(s);
    rendered r = {.answer = s, .n = n};
    put(&r.out, "%s", stream_head);
    api->begin(&r);
    add_piece(s, &r.out);
    for (int i = 0; i < n; i++) {
        api->delta(&r, i);
        if ((i + 1) % per_write == 0 || i + 1 == n) add_piece(s, &r.out);
    }
    api->end(&r);
    put(&r.out, "0\r\n\r\n");
    add_piece(s, &r.out);
    free(r.frame.at);
}

static void render_status(script *s, const char *status, const bytes *body) {
    bytes b = {0};
    put(&b, "HTTP/1.1 %s\r\ncontent-type: application/json\r\nx-request-id: req_bench\r\ncontent-length: %zu\r\n\r\n%s",
        status, body->len, body->at);
    add_piece(s, &b);
}

static content content_of(const char *model) {
    if (!strncmp(model, "arguments-", 10)) return ARGUMENTS;
    return strncmp(model, "reasoning-", 10) ? TEXT : REASONING;
}

static const script *script_for(const char *model, bool chat, bool stream, bool usage) {
    static script *scripts[256];
    static int known;
    for (int i = 0; i < known; i++) {
        const script *s = scripts[i];
        if (s->chat == chat && s->stream == stream && s->usage == usage && !strcmp(s->model, model)) return s;
    }
    if (known == 256) die_of("more than 256 kinds of answer");
    script *s = calloc(1, sizeof *s);
    snprintf(s->model, sizeof s->model, "%s", model);
    s->chat = chat, s->stream = stream, s->usage = usage, s->content = content_of(model);
    const char *numbers = strchr(model, '-'), *part;
    int n = numbers ? atoi(numbers + 1) : 0;
    if (stream) {
        int per_write = (part = strchr(model, 'x')) ? atoi(part + 1) : 1;
        s->pause = (part = strchr(model, '@')) ? (uint64_t)atoi(part + 1) * 1000000u : 0;
        render_stream(s, n > 0 ? n : 1, per_write > 0 ? per_write : 1);
    } else {
        bytes body = {0};
        api_of(s)->json(&body, s);
        render_status(s, "200 OK", &body);
        free(body.at);
    }
    return scripts[known++] = s;
}

static const script *plain(const char *status, const char *json) {
    script *s = calloc(1, sizeof *s); /* made once per kind: the callers keep it */
    bytes body = {0};
    put(&body, "%s", json);
    render_status(s, status, &body);
    free(body.at);
    return s;
}

/* ---- which answer ---- */

/* The value of a key that stands only once, and at no depth that matters: enough for our own requests. */
static const char *value_of(const char *body, const char *key) {
    const char *at = strstr(body, key);
    if (!at) return NULL;
    at += strlen(key);
    while (*at == ' ' || *at == ':') at++;
    return at;
}

static bool is_true(const char *body, const char *key) {
    const char *at = value_of(body, key);
    return at && !strncmp(at, "true", 4);
}

const script *answer_to(const char *head, const char *body) {
    static const script *unknown, *unauthorized, *models;
    if (!unknown) {
        unknown = plain("404 Not Found", "{\"error\":{\"message\":\"unknown path\",\"type\":\"invalid_request_error\"}}");
        unauthorized = plain("401 Unauthorized", "{\"error\":{\"message\":\"not the upstream's key\","
                             "\"type\":\"invalid_request_error\",\"code\":\"invalid_api_key\"}}");
        models = plain("200 OK", "{\"object\":\"list\",\"data\":[{\"id\":\"json\",\"object\":\"model\","
                                 "\"created\":1760000000,\"owned_by\":\"bench\"}]}");
    }
    if (!strncmp(head, "GET ", 4)) return strstr(head, "/models") ? models : unknown;
    bool chat = !strncmp(head, "POST /v1/chat/completions", 25);
    if (!chat && strncmp(head, "POST /v1/responses", 18)) return unknown;
    if (!strcasestr(head, "authorization: Bearer sk-bench\r\n")) return unauthorized;
    char model[MODEL_LIMIT] = "json";
    const char *name = value_of(body, "\"model\"");
    if (name && *name == '"') snprintf(model, sizeof model, "%.*s", (int)strcspn(name + 1, "\"\\"), name + 1);
    return script_for(model, chat, is_true(body, "\"stream\""), is_true(body, "\"include_usage\""));
}
