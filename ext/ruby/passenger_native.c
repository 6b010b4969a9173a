/*
 * The most expensive parts of a request, in C: receive a message, make the environment's Hash and a
 * head, send a message. claim.c claims the request.
 *
 * Ruby code does the same where this is not built (lib/passenger/base/native.rb). No function here
 * waits or releases the interpreter's lock. If the kernel would wait, the function returns false,
 * and the caller waits in Ruby.
 */
#include "passenger_native.h"

#include <ruby/encoding.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "descriptor.h"

/* ----- Names that are used again */

enum { MAX_PAIRS = 256, NAMES_KEPT = 512, LONGEST_NAME = 64 };

/*
 * A hash table with open addressing. A name that does not fit is made for each request. The
 * interpreter's lock guards the table; entries are never removed.
 */
static VALUE names[NAMES_KEPT * 2];
static unsigned names_kept;

static VALUE name_of(const char *bytes, long length) {
    if (length > LONGEST_NAME) {
        return rb_enc_interned_str(bytes, length, rb_ascii8bit_encoding());
    }
    uint32_t hash = 2166136261u; /* FNV-1a */
    for (long i = 0; i < length; i++) {
        hash = (hash ^ (unsigned char)bytes[i]) * 16777619u;
    }
    unsigned at = hash % (NAMES_KEPT * 2);
    while (names[at] != 0) {
        if (RSTRING_LEN(names[at]) == length && memcmp(RSTRING_PTR(names[at]), bytes, (size_t)length) == 0) {
            return names[at];
        }
        at = (at + 1) % (NAMES_KEPT * 2);
    }
    VALUE name = rb_enc_interned_str(bytes, length, rb_ascii8bit_encoding());
    if (names_kept < NAMES_KEPT) {
        names_kept++;
        names[at] = name;
        rb_gc_register_mark_object(name);
    }
    return name;
}

/*
 * environment(head, more): a Hash of the names and values in the head, which end with a zero each,
 * and of the pairs in the array `more`. Nil: the head is no list of pairs, or has too many.
 */
static VALUE environment(VALUE self, VALUE head, VALUE more) {
    VALUE pairs[2 * MAX_PAIRS];
    long count = 0;
    (void)self;
    Check_Type(head, T_STRING);
    Check_Type(more, T_ARRAY);
    const char *at = RSTRING_PTR(head);
    const char *const end = at + RSTRING_LEN(head);
    const long room = 2 * MAX_PAIRS - RARRAY_LEN(more);
    while (at < end) {
        const char *zero = memchr(at, 0, (size_t)(end - at));
        if (zero == NULL || count >= room) {
            return Qnil;
        }
        const long length = zero - at;
        pairs[count] = (count & 1) == 0 ? name_of(at, length) : rb_str_new(at, length);
        count++;
        at = zero + 1;
    }
    if (count == 0 || (count & 1) != 0) {
        return Qnil;
    }
    for (long i = 0; i < RARRAY_LEN(more); i++) {
        pairs[count++] = RARRAY_AREF(more, i);
    }
    VALUE hash = rb_hash_new();
    rb_hash_bulk_insert(count, pairs, hash);
    RB_GC_GUARD(head);
    return hash;
}

/* ----- Header lines */

/* Header lines up to this length; Ruby code makes longer ones. */
typedef struct {
    VALUE prefixes;
    size_t length;
    char bytes[2048];
} lines_t;

static bool append(lines_t *lines, VALUE string) {
    const size_t length = (size_t)RSTRING_LEN(string);
    if (length > sizeof(lines->bytes) - lines->length) {
        return false;
    }
    memcpy(lines->bytes + lines->length, RSTRING_PTR(string), length);
    lines->length += length;
    return true;
}

static bool is_plain(VALUE string) {
    const char *at = RSTRING_PTR(string);
    for (const char *const end = at + RSTRING_LEN(string); at < end; at++) {
        if (*at == '\r' || *at == '\n' || *at == '\0') {
            return false;
        }
    }
    return true;
}

static int add_line(VALUE name, VALUE value, VALUE argument) {
    lines_t *lines = (lines_t *)argument;
    const VALUE prefix = RB_TYPE_P(value, T_STRING) && RBASIC_CLASS(value) == rb_cString && is_plain(value)
                             ? rb_hash_lookup(lines->prefixes, name)
                             : Qnil;
    if (RB_TYPE_P(prefix, T_STRING) && append(lines, prefix) && append(lines, value) &&
        sizeof(lines->bytes) - lines->length >= 2) {
        lines->bytes[lines->length++] = '\r';
        lines->bytes[lines->length++] = '\n';
        return ST_CONTINUE;
    }
    lines->prefixes = Qnil;
    return ST_STOP;
}

/*
 * head(headers, prefixes): the header lines of a Hash whose values are Strings of one line each.
 * `prefixes` has the start of the line for each name. Nil: the headers are no plain Hash, have
 * other values, have an unknown name, or are too long.
 */
static VALUE head(VALUE self, VALUE headers, VALUE prefixes) {
    (void)self;
    Check_Type(prefixes, T_HASH);
    if (!RB_TYPE_P(headers, T_HASH) || !rb_method_basic_definition_p(CLASS_OF(headers), rb_intern("each"))) {
        return Qnil;
    }
    lines_t lines = {.prefixes = prefixes, .length = 0};
    rb_hash_foreach(headers, add_line, (VALUE)&lines);
    return NIL_P(lines.prefixes) ? Qnil : rb_str_new(lines.bytes, (long)lines.length);
}

/* ----- Sockets */

/*
 * receive(io, buffer, limit): the next message replaces the content of the buffer; a message over
 * the limit is cut. False: there is no message, or an empty one, an end or an error. The caller
 * then reads in Ruby.
 */
static VALUE receive(VALUE self, VALUE io, VALUE buffer, VALUE limit) {
    const long room = NUM2LONG(limit);
    const int descriptor = descriptor_of(io);
    (void)self;
    Check_Type(buffer, T_STRING);
    const long missing = room - RSTRING_LEN(buffer);
    rb_str_modify_expand(buffer, missing > 0 ? missing : 0);
    const ssize_t size = recv(descriptor, RSTRING_PTR(buffer), (size_t)room, MSG_DONTWAIT);
    if (size <= 0) {
        return Qfalse;
    }
    rb_str_set_len(buffer, size);
    return Qtrue;
}

/*
 * transmit(io, header, head, bytes): sends one message of three strings. False: the kernel did not
 * take it at once.
 */
static VALUE transmit(VALUE self, VALUE io, VALUE header, VALUE head, VALUE bytes) {
    Check_Type(header, T_STRING);
    Check_Type(head, T_STRING);
    Check_Type(bytes, T_STRING);
    struct iovec parts[3] = {{RSTRING_PTR(header), (size_t)RSTRING_LEN(header)},
                             {RSTRING_PTR(head), (size_t)RSTRING_LEN(head)},
                             {RSTRING_PTR(bytes), (size_t)RSTRING_LEN(bytes)}};
    const struct msghdr message = {.msg_iov = parts, .msg_iovlen = 3};
    (void)self;
    return sendmsg(descriptor_of(io), &message, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0 ? Qtrue : Qfalse;
}

RUBY_FUNC_EXPORTED void Init_passenger_native(void) {
    VALUE module = rb_define_module_under(rb_define_module("PhusionPassenger"), "Native");
    rb_define_const(module, "INTERFACE", INT2FIX(5));
    /* native_builder.rb finds it in the file. */
    rb_define_const(module, "SOURCES", rb_str_new_cstr(PASSENGER_SOURCES));
    rb_define_singleton_method(module, "environment", environment, 2);
    rb_define_singleton_method(module, "head", head, 2);
    rb_define_singleton_method(module, "receive", receive, 3);
    rb_define_singleton_method(module, "transmit", transmit, 4);
    define_claim(module);
    define_client_socket(module);
    define_poller(module);
}
