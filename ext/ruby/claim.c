/*
 * PhusionPassenger::Native::Claim does what lib/passenger/instance/claim.rb does. The claims and
 * the withdrawal marks are mapped, so that claiming a request takes no system call.
 */
#include <string.h>

#include "../claims/claim_memory.h"
#include "descriptor.h"
#include "passenger_native.h"

/* In a message. */
enum { CHANNEL_OFFSET = 8 };

/* Null: closed. */
typedef struct {
    claim_memory_t memory;
    char *cell;
} claim_t;

static void claim_unmap(claim_t *claim) {
    claim_memory_close(&claim->memory);
    claim->cell = NULL;
}

static void claim_free(void *data) {
    claim_unmap(data);
    xfree(data);
}

static const rb_data_type_t claim_type = {
    .wrap_struct_name = "PhusionPassenger::Native::Claim",
    .function = {.dfree = claim_free},
    .flags = RUBY_TYPED_FREE_IMMEDIATELY,
};

static VALUE claim_allocate(VALUE class) {
    claim_t *claim;
    return TypedData_Make_Struct(class, claim_t, &claim_type, claim);
}

static claim_t *claim_of(VALUE self) {
    claim_t *claim;
    TypedData_Get_Struct(self, claim_t, &claim_type, claim);
    return claim;
}

static VALUE claim_initialize(VALUE self, VALUE claims, VALUE withdrawals, VALUE offset) {
    claim_t *claim = claim_of(self);
    const size_t at = NUM2SIZET(offset);
    if (at % CELL_LENGTH != 0) {
        rb_raise(rb_eArgError, "no cell begins at %" PRIuSIZE, at);
    }
    claim->cell = NULL;
    if (!claim_memory_open(&claim->memory, descriptor_of(claims), descriptor_of(withdrawals), at + CELL_LENGTH)) {
        if (errno == EINVAL) {
            rb_raise(rb_eArgError, "a memory file of claims or withdrawals is too short");
        }
        rb_sys_fail("the memory of claims");
    }
    claim->cell = claim->memory.claims + at;
    return self;
}

/* take(message): false: the request is withdrawn. */
static VALUE claim_take(VALUE self, VALUE message) {
    const claim_t *claim = claim_of(self);
    uint64_t id[2];
    Check_Type(message, T_STRING);
    if (RSTRING_LEN(message) < (long)(CHANNEL_OFFSET + sizeof(id))) {
        rb_raise(rb_eArgError, "a request of %ld bytes", RSTRING_LEN(message));
    }
    if (claim->cell == NULL) {
        return Qfalse;
    }
    memcpy(id, RSTRING_PTR(message) + CHANNEL_OFFSET, sizeof(id));
    return cell_take(claim->cell, claim->memory.marks, id[0], id[1]) ? Qtrue : Qfalse;
}

static VALUE claim_clear(VALUE self) {
    char *cell = claim_of(self)->cell;
    if (cell != NULL) {
        cell_clear(cell);
    }
    return Qnil;
}

static VALUE claim_complete(VALUE self) {
    char *cell = claim_of(self)->cell;
    if (cell != NULL) {
        cell_complete(cell);
    }
    return Qnil;
}

static VALUE claim_close(VALUE self) {
    claim_unmap(claim_of(self));
    return Qnil;
}

void define_claim(VALUE module) {
    VALUE claim = rb_define_class_under(module, "Claim", rb_cObject);
    rb_define_alloc_func(claim, claim_allocate);
    rb_define_method(claim, "initialize", claim_initialize, 3);
    rb_define_method(claim, "take", claim_take, 1);
    rb_define_method(claim, "clear", claim_clear, 0);
    rb_define_method(claim, "complete", claim_complete, 0);
    rb_define_method(claim, "close", claim_close, 0);
}
