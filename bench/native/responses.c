/* Responses: the events of a stream, and the body of a JSON call. */
#include "render.h"

#define SUFFIX "0000000000000000000000000000000000000000000000be"
#define RESPONSE_ID "resp_" SUFFIX

/* One item of the output. `deltas`: those of its only part, or of its arguments. */
typedef struct {
    content content;
    int index, deltas;
} item;

/* What the events of an item are called, and where its part is. A call has no part. */
static const struct { const char *id, *stream, *part, *place; } kinds[] = {
    [TEXT] = {"msg_" SUFFIX, "output_text", "content_part", "\"content_index\":0,"},
    [ARGUMENTS] = {"fc_" SUFFIX, "function_call_arguments", 0, ""},
    [REASONING] = {"rs_" SUFFIX, "reasoning_summary_text", "reasoning_summary_part", "\"summary_index\":0,"},
};

static item first_item(const rendered *r) {
    return (item){r->answer->content, 0, r->n};
}

static item text_after(void) {
    return (item){TEXT, 1, TEXT_AFTER_REASONING};
}

/* ---- parts, items, responses ---- */

static void put_part(bytes *b, item it, int deltas) {
    put(b, it.content == TEXT ? "{\"type\":\"output_text\",\"annotations\":[],\"logprobs\":[],\"text\":\""
                              : "{\"type\":\"summary_text\",\"text\":\"");
    put_text(b, deltas);
    put(b, "\"}");
}

static void put_item(bytes *b, item it, bool done) {
    const char *status = done ? "completed" : "in_progress", *id = kinds[it.content].id;
    if (it.content == ARGUMENTS) {
        put(b, "{\"id\":\"%s\",\"type\":\"function_call\",\"status\":\"%s\",\"call_id\":\"call_" SUFFIX "\","
               "\"name\":\"get_weather\",\"arguments\":\"", id, status);
        if (done) put_arguments(b, it.deltas);
        put(b, "\"}");
        return;
    }
    bool text = it.content == TEXT;
    put(b, "{\"id\":\"%s\",\"type\":\"%s\",\"status\":\"%s\",%s", id, text ? "message" : "reasoning", status,
        text ? "\"role\":\"assistant\",\"content\":[" : "\"summary\":[");
    if (done) put_part(b, it, it.deltas);
    put(b, "]}");
}

static void put_response(bytes *b, const script *s, bool done, item first) {
    put(b, "{\"id\":\"" RESPONSE_ID "\",\"object\":\"response\",\"created_at\":1760000000,\"status\":\"%s\","
           "\"background\":false,\"completed_at\":%s,\"error\":null,\"incomplete_details\":null,\"instructions\":null,"
           "\"max_output_tokens\":null,\"max_tool_calls\":null,\"model\":\"%s\",\"output\":[",
        done ? "completed" : "in_progress", done ? "1760000002" : "null", s->model);
    bool reasons = first.content == REASONING;
    if (done) put_item(b, first, true);
    if (done && reasons) {
        put(b, ",");
        put_item(b, text_after(), true);
    }
    put(b, "],\"parallel_tool_calls\":true,\"presence_penalty\":0,\"frequency_penalty\":0,"
           "\"previous_response_id\":null,\"prompt_cache_key\":null,\"reasoning\":{\"effort\":null,\"summary\":null},"
           "\"safety_identifier\":null,\"service_tier\":\"default\",\"store\":false,\"temperature\":1.0,\"text\":"
           "{\"format\":{\"type\":\"text\"}},\"tool_choice\":\"auto\",\"tools\":[],\"top_logprobs\":0,\"top_p\":1.0,"
           "\"truncation\":\"disabled\",\"usage\":");
    int tokens = first.deltas + (reasons ? TEXT_AFTER_REASONING : 0);
    if (done)
        put(b, "{\"input_tokens\":412,\"input_tokens_details\":{\"cached_tokens\":0},\"output_tokens\":%d,"
               "\"output_tokens_details\":{\"reasoning_tokens\":%d},\"total_tokens\":%d}",
            tokens, reasons ? first.deltas : 0, 412 + tokens);
    else
        put(b, "null");
    put(b, ",\"user\":null,\"metadata\":{}}");
}

/* ---- events ---- */

static void open_event(rendered *r, const char *name, const char *what) {
    put(&r->frame, "event: response.%s%s\ndata: {\"type\":\"response.%s%s\",\"sequence_number\":%d,", name, what, name,
        what, r->sequence++);
}

static void open_item_event(rendered *r, const char *name, const char *what, item it) {
    open_event(r, name, what);
    put(&r->frame, "\"item_id\":\"%s\",\"output_index\":%d,%s", kinds[it.content].id, it.index,
        kinds[it.content].place);
}

static void close_event(rendered *r) {
    put(&r->frame, "}\n\n");
    put_frame(r);
}

static void response_event(rendered *r, const char *name, bool done) {
    open_event(r, name, "");
    put(&r->frame, "\"response\":");
    put_response(&r->frame, r->answer, done, first_item(r));
    close_event(r);
}

static void item_event(rendered *r, bool done, item it) {
    open_event(r, "output_item", done ? ".done" : ".added");
    put(&r->frame, "\"output_index\":%d,\"item\":", it.index);
    put_item(&r->frame, it, done);
    close_event(r);
}

static void part_event(rendered *r, bool done, item it) {
    if (!kinds[it.content].part) return;
    open_item_event(r, kinds[it.content].part, done ? ".done" : ".added", it);
    put(&r->frame, "\"part\":");
    put_part(&r->frame, it, done ? it.deltas : 0);
    close_event(r);
}

static void delta_event(rendered *r, item it, int i) {
    open_item_event(r, kinds[it.content].stream, ".delta", it);
    put(&r->frame, "\"delta\":\"");
    if (it.content == ARGUMENTS) put_argument(&r->frame, i, it.deltas);
    else put(&r->frame, "%s", word(i));
    put(&r->frame, it.content == TEXT ? "\",\"logprobs\":[]" : "\"");
    close_event(r);
}

static void done_event(rendered *r, item it) {
    open_item_event(r, kinds[it.content].stream, ".done", it);
    if (it.content == ARGUMENTS) {
        put(&r->frame, "\"name\":\"get_weather\",\"arguments\":\"");
        put_arguments(&r->frame, it.deltas);
    } else {
        put(&r->frame, it.content == TEXT ? "\"logprobs\":[],\"text\":\"" : "\"text\":\"");
        put_text(&r->frame, it.deltas);
    }
    put(&r->frame, "\"");
    close_event(r);
}

/* ---- the order of a stream ---- */

static void open_item(rendered *r, item it) {
    item_event(r, false, it);
    part_event(r, false, it);
}

static void close_item(rendered *r, item it) {
    done_event(r, it);
    part_event(r, true, it);
    item_event(r, true, it);
}

static void begin(rendered *r) {
    response_event(r, "created", false);
    response_event(r, "in_progress", false);
    open_item(r, first_item(r));
}

static void delta(rendered *r, int i) {
    delta_event(r, first_item(r), i);
}

static void end(rendered *r) {
    close_item(r, first_item(r));
    if (r->answer->content == REASONING) {
        open_item(r, text_after());
        for (int i = 0; i < TEXT_AFTER_REASONING; i++) delta_event(r, text_after(), i);
        close_item(r, text_after());
    }
    response_event(r, "completed", true);
}

static void json(bytes *b, const script *s) {
    put_response(b, s, true, (item){TEXT, 0, 32});
}

const api responses_api = {begin, delta, end, json};
