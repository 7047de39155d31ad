/* Renders the mock's answers: proper Chat Completions chunks and Responses events, and the bodies of JSON calls. */
#define _GNU_SOURCE
#include "answers.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void die(const char *what) {
    fprintf(stderr, "mock: %s\n", what);
    exit(1);
}

/* ---- rendering: bytes, pieces (one write each), scripts (one whole answer) ---- */

typedef struct { char *at; size_t len, room; } bytes;

static void put(bytes *b, const char *format, ...) {
    va_list args;
    for (;;) {
        va_start(args, format);
        int n = vsnprintf(b->at + b->len, b->room - b->len, format, args);
        va_end(args);
        if (n < 0) die("vsnprintf");
        if (b->len + (size_t)n < b->room) {
            b->len += (size_t)n;
            return;
        }
        b->room = (b->room + (size_t)n) * 2 + 256;
        if (!(b->at = realloc(b->at, b->room))) die("realloc");
    }
}

static void add_piece(script *s, bytes *b) {
    if (!(s->pieces = realloc(s->pieces, (size_t)(s->n + 1) * sizeof *s->pieces))) die("realloc");
    s->pieces[s->n++] = (piece){b->at, b->len};
    *b = (bytes){0};
}

/* One SSE frame as one HTTP chunk, as servers send them. */
static void put_frame(bytes *b, bytes *frame) {
    put(b, "%zx\r\n%s\r\n", frame->len, frame->at);
    frame->len = 0;
}

/* JSON-escaped already; some need escapes and two bytes of UTF-8, as real text does. */
static const char *word(int i) {
    static const char *const words[] = {" the", " gateway", " answers", " in", " small", " pieces,", " one",
                                        " after", " another", ":\\n\\n", " \\\"caf\xc3\xa9\\\"", " and", " so", " on",
                                        " until", " done."};
    return words[i % 16];
}

static void put_text(bytes *b, int n) {
    for (int i = 0; i < n; i++) put(b, "%s", word(i));
}

static const char stream_head[] = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\n"
                                  "cache-control: no-cache\r\nx-request-id: req_bench\r\n"
                                  "transfer-encoding: chunked\r\n\r\n";
#define MESSAGE_ID "msg_0000000000000000000000000000000000000000000000be"
#define RESPONSE_ID "resp_0000000000000000000000000000000000000000000000be"

/* ---- Chat Completions ---- */

static void put_chat_usage(bytes *b, int n) {
    put(b, "{\"prompt_tokens\":412,\"completion_tokens\":%d,\"total_tokens\":%d,\"prompt_tokens_details\":"
           "{\"cached_tokens\":0,\"audio_tokens\":0},\"completion_tokens_details\":{\"reasoning_tokens\":0,"
           "\"audio_tokens\":0,\"accepted_prediction_tokens\":0,\"rejected_prediction_tokens\":0}}", n, 412 + n);
}

static void chat_chunk(bytes *b, bytes *frame, const script *s, const char *choices) {
    put(frame, "data: {\"id\":\"chatcmpl-bench0000000000000000000000\",\"object\":\"chat.completion.chunk\","
               "\"created\":1760000000,\"model\":\"%s\",\"service_tier\":\"default\",\"system_fingerprint\":"
               "\"fp_bench\",\"choices\":[%s]%s}\n\n", s->model, choices, s->usage ? ",\"usage\":null" : "");
    put_frame(b, frame);
}

static void chat_begin(bytes *b, bytes *frame, const script *s) {
    chat_chunk(b, frame, s, "{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\",\"refusal\":null},"
                            "\"logprobs\":null,\"finish_reason\":null}");
}

static void chat_delta(bytes *b, bytes *frame, const script *s, int i) {
    char choice[256];
    snprintf(choice, sizeof choice,
             "{\"index\":0,\"delta\":{\"content\":\"%s\"},\"logprobs\":null,\"finish_reason\":null}", word(i));
    chat_chunk(b, frame, s, choice);
}

static void chat_end(bytes *b, bytes *frame, const script *s, int n) {
    chat_chunk(b, frame, s, "{\"index\":0,\"delta\":{},\"logprobs\":null,\"finish_reason\":\"stop\"}");
    if (s->usage) {
        put(frame, "data: {\"id\":\"chatcmpl-bench0000000000000000000000\",\"object\":\"chat.completion.chunk\","
                   "\"created\":1760000000,\"model\":\"%s\",\"service_tier\":\"default\",\"system_fingerprint\":"
                   "\"fp_bench\",\"choices\":[],\"usage\":", s->model);
        put_chat_usage(frame, n);
        put(frame, "}\n\n");
        put_frame(b, frame);
    }
    put(frame, "data: [DONE]\n\n");
    put_frame(b, frame);
}

static void chat_json(bytes *b, const script *s) {
    put(b, "{\"id\":\"chatcmpl-bench0000000000000000000000\",\"object\":\"chat.completion\",\"created\":1760000000,"
           "\"model\":\"%s\",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"", s->model);
    put_text(b, 32);
    put(b, "\",\"refusal\":null,\"annotations\":[]},\"logprobs\":null,\"finish_reason\":\"stop\"}],\"usage\":");
    put_chat_usage(b, 32);
    put(b, ",\"service_tier\":\"default\",\"system_fingerprint\":\"fp_bench\"}");
}

/* ---- Responses ---- */

static void put_item(bytes *b, bool done, int n) {
    put(b, "{\"id\":\"" MESSAGE_ID "\",\"type\":\"message\",\"status\":\"%s\",\"role\":\"assistant\",\"content\":[",
        done ? "completed" : "in_progress");
    if (done) {
        put(b, "{\"type\":\"output_text\",\"annotations\":[],\"logprobs\":[],\"text\":\"");
        put_text(b, n);
        put(b, "\"}");
    }
    put(b, "]}");
}

static void put_response(bytes *b, const script *s, bool done, int n) {
    put(b, "{\"id\":\"" RESPONSE_ID "\",\"object\":\"response\",\"created_at\":1760000000,\"status\":\"%s\","
           "\"background\":false,\"completed_at\":%s,\"error\":null,\"incomplete_details\":null,\"instructions\":null,"
           "\"max_output_tokens\":null,\"max_tool_calls\":null,\"model\":\"%s\",\"output\":[",
        done ? "completed" : "in_progress", done ? "1760000002" : "null", s->model);
    if (done) put_item(b, true, n);
    put(b, "],\"parallel_tool_calls\":true,\"presence_penalty\":0,\"frequency_penalty\":0,"
           "\"previous_response_id\":null,\"prompt_cache_key\":null,\"reasoning\":{\"effort\":null,\"summary\":null},"
           "\"safety_identifier\":null,\"service_tier\":\"default\",\"store\":false,\"temperature\":1.0,\"text\":"
           "{\"format\":{\"type\":\"text\"}},\"tool_choice\":\"auto\",\"tools\":[],\"top_logprobs\":0,\"top_p\":1.0,"
           "\"truncation\":\"disabled\",\"usage\":");
    if (done)
        put(b, "{\"input_tokens\":412,\"input_tokens_details\":{\"cached_tokens\":0},\"output_tokens\":%d,"
               "\"output_tokens_details\":{\"reasoning_tokens\":0},\"total_tokens\":%d}", n, 412 + n);
    else
        put(b, "null");
    put(b, ",\"user\":null,\"metadata\":{}}");
}

static void open_event(bytes *frame, const char *type, int sequence) {
    put(frame, "event: %s\ndata: {\"type\":\"%s\",\"sequence_number\":%d,", type, type, sequence);
}

static void close_event(bytes *b, bytes *frame) {
    put(frame, "}\n\n");
    put_frame(b, frame);
}

#define PART_PLACE "\"item_id\":\"" MESSAGE_ID "\",\"output_index\":0,\"content_index\":0,"

static void responses_begin(bytes *b, bytes *frame, const script *s) {
    static const char *const types[] = {"response.created", "response.in_progress"};
    for (int i = 0; i < 2; i++) {
        open_event(frame, types[i], i);
        put(frame, "\"response\":");
        put_response(frame, s, false, 0);
        close_event(b, frame);
    }
    open_event(frame, "response.output_item.added", 2);
    put(frame, "\"output_index\":0,\"item\":");
    put_item(frame, false, 0);
    close_event(b, frame);
    open_event(frame, "response.content_part.added", 3);
    put(frame, PART_PLACE "\"part\":{\"type\":\"output_text\",\"annotations\":[],\"logprobs\":[],\"text\":\"\"}");
    close_event(b, frame);
}

static void responses_delta(bytes *b, bytes *frame, int i) {
    open_event(frame, "response.output_text.delta", 4 + i);
    put(frame, PART_PLACE "\"delta\":\"%s\",\"logprobs\":[]", word(i));
    close_event(b, frame);
}

static void responses_end(bytes *b, bytes *frame, const script *s, int n) {
    open_event(frame, "response.output_text.done", 4 + n);
    put(frame, PART_PLACE "\"logprobs\":[],\"text\":\"");
    put_text(frame, n);
    put(frame, "\"");
    close_event(b, frame);
    open_event(frame, "response.content_part.done", 5 + n);
    put(frame, PART_PLACE "\"part\":{\"type\":\"output_text\",\"annotations\":[],\"logprobs\":[],\"text\":\"");
    put_text(frame, n);
    put(frame, "\"}");
    close_event(b, frame);
    open_event(frame, "response.output_item.done", 6 + n);
    put(frame, "\"output_index\":0,\"item\":");
    put_item(frame, true, n);
    close_event(b, frame);
    open_event(frame, "response.completed", 7 + n);
    put(frame, "\"response\":");
    put_response(frame, s, true, n);
    close_event(b, frame);
}

/* ---- scripts by request, made on first use ---- */

static void render_stream(script *s, int n, int per_write) {
    bytes b = {0}, frame = {0};
    put(&b, "%s", stream_head);
    if (s->chat) chat_begin(&b, &frame, s); else responses_begin(&b, &frame, s);
    add_piece(s, &b);
    for (int i = 0; i < n; i++) {
        if (s->chat) chat_delta(&b, &frame, s, i); else responses_delta(&b, &frame, i);
        if ((i + 1) % per_write == 0 || i + 1 == n) add_piece(s, &b);
    }
    if (s->chat) chat_end(&b, &frame, s, n); else responses_end(&b, &frame, s, n);
    put(&b, "0\r\n\r\n");
    add_piece(s, &b);
    free(frame.at);
}

static void render_status(script *s, const char *status, const bytes *body) {
    bytes b = {0};
    put(&b, "HTTP/1.1 %s\r\ncontent-type: application/json\r\nx-request-id: req_bench\r\ncontent-length: %zu\r\n\r\n%s",
        status, body->len, body->at);
    add_piece(s, &b);
}

static const script *script_for(const char *model, bool chat, bool stream, bool usage) {
    static script *scripts[256];
    static int known;
    for (int i = 0; i < known; i++) {
        const script *s = scripts[i];
        if (s->chat == chat && s->stream == stream && s->usage == usage && !strcmp(s->model, model)) return s;
    }
    if (known == 256) die("more than 256 kinds of answer");
    script *s = calloc(1, sizeof *s);
    snprintf(s->model, sizeof s->model, "%s", model);
    s->chat = chat, s->stream = stream, s->usage = usage;
    const char *numbers = strchr(model, '-'), *part;
    int n = numbers ? atoi(numbers + 1) : 0;
    if (stream) {
        int per_write = (part = strchr(model, 'x')) ? atoi(part + 1) : 1;
        s->pause = (part = strchr(model, '@')) ? (uint64_t)atoi(part + 1) * 1000000u : 0;
        render_stream(s, n > 0 ? n : 1, per_write > 0 ? per_write : 1);
    } else {
        bytes body = {0};
        if (chat) chat_json(&body, s); else put_response(&body, s, true, 32);
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
