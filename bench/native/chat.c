/* Chat Completions: the chunks of a stream, and the body of a JSON call. */
#include "render.h"

#define COMPLETION_ID "chatcmpl-bench0000000000000000000000"
#define CALL_ID "call_bench00000000000000000"

static void put_usage(bytes *b, int tokens, int reasoning) {
    put(b, "{\"prompt_tokens\":412,\"completion_tokens\":%d,\"total_tokens\":%d,\"prompt_tokens_details\":"
           "{\"cached_tokens\":0,\"audio_tokens\":0},\"completion_tokens_details\":{\"reasoning_tokens\":%d,"
           "\"audio_tokens\":0,\"accepted_prediction_tokens\":0,\"rejected_prediction_tokens\":0}}",
        tokens, 412 + tokens, reasoning);
}

static void open_chunk(rendered *r) {
    put(&r->frame, "data: {\"id\":\"" COMPLETION_ID "\",\"object\":\"chat.completion.chunk\",\"created\":1760000000,"
                   "\"model\":\"%s\",\"service_tier\":\"default\",\"system_fingerprint\":\"fp_bench\",\"choices\":[",
        r->answer->model);
}

static void open_choice(rendered *r) {
    open_chunk(r);
    put(&r->frame, "{\"index\":0,\"delta\":{");
}

static void close_choice(rendered *r, const char *finish_reason) {
    put(&r->frame, "},\"logprobs\":null,\"finish_reason\":%s}]%s}\n\n", finish_reason,
        r->answer->usage ? ",\"usage\":null" : "");
    put_frame(r);
}

static void content_delta(rendered *r, const char *field, int i) {
    open_choice(r);
    put(&r->frame, "\"%s\":\"%s\"", field, word(i));
    close_choice(r, "null");
}

static void begin(rendered *r) {
    open_choice(r);
    put(&r->frame, "\"role\":\"assistant\",\"content\":%s,\"refusal\":null",
        r->answer->content == TEXT ? "\"\"" : "null");
    close_choice(r, "null");
    if (r->answer->content != ARGUMENTS) return;
    open_choice(r);
    put(&r->frame, "\"tool_calls\":[{\"index\":0,\"id\":\"" CALL_ID "\",\"type\":\"function\",\"function\":"
                   "{\"name\":\"get_weather\",\"arguments\":\"\"}}]");
    close_choice(r, "null");
}

static void delta(rendered *r, int i) {
    if (r->answer->content != ARGUMENTS)
        return content_delta(r, r->answer->content == REASONING ? "reasoning_content" : "content", i);
    open_choice(r);
    put(&r->frame, "\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"");
    put_argument(&r->frame, i, r->n);
    put(&r->frame, "\"}}]");
    close_choice(r, "null");
}

static void end(rendered *r) {
    int after = r->answer->content == REASONING ? TEXT_AFTER_REASONING : 0;
    for (int i = 0; i < after; i++) content_delta(r, "content", i);
    open_choice(r);
    close_choice(r, r->answer->content == ARGUMENTS ? "\"tool_calls\"" : "\"stop\"");
    if (r->answer->usage) {
        open_chunk(r);
        put(&r->frame, "],\"usage\":");
        put_usage(&r->frame, r->n + after, after ? r->n : 0);
        put(&r->frame, "}\n\n");
        put_frame(r);
    }
    put(&r->frame, "data: [DONE]\n\n");
    put_frame(r);
}

static void json(bytes *b, const script *s) {
    put(b, "{\"id\":\"" COMPLETION_ID "\",\"object\":\"chat.completion\",\"created\":1760000000,\"model\":\"%s\","
           "\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"", s->model);
    put_text(b, 32);
    put(b, "\",\"refusal\":null,\"annotations\":[]},\"logprobs\":null,\"finish_reason\":\"stop\"}],\"usage\":");
    put_usage(b, 32, 0);
    put(b, ",\"service_tier\":\"default\",\"system_fingerprint\":\"fp_bench\"}");
}

const api chat_api = {begin, delta, end, json};
