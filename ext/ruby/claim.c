/*
 * PhusionPassenger::Native::Claim does what lib/passenger/instance/claim.rb does. The claims and
 * the withdrawal marks are mapped, so that claiming a request takes no system call.
 */
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>

#include "passenger_native.h"

enum {
    CHANNEL_OFFSET = 8,
    CELL_LENGTH = 32,
    ANSWERED_OFFSET = 16,
    LAST_USED_OFFSET = 24,
    TICKETS_OFFSET = 16512,
    CHANNELS = 65536
};

/* The files are sealed against shrinking, so the mappings stay valid. Null: closed. */
typedef struct {
    char *claims;
    char *withdrawals;
    size_t claims_size;
    size_t withdrawals_size;
    char *cell;
} claim_t;

static void claim_unmap(claim_t *claim) {
    if (claim->claims != NULL) {
        munmap(claim->claims, claim->claims_size);
    }
    if (claim->withdrawals != NULL) {
        munmap(claim->withdrawals, claim->withdrawals_size);
    }
    claim->claims = claim->withdrawals = claim->cell = NULL;
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

static char *map(VALUE io, int protection, size_t needed, size_t *size) {
    const int descriptor = descriptor_of(io);
    struct stat file;
    if (fstat(descriptor, &file) != 0) {
        rb_sys_fail("fstat");
    }
    *size = (size_t)file.st_size;
    if (*size < needed) {
        rb_raise(rb_eArgError, "the memory file has %" PRIuSIZE " bytes instead of %" PRIuSIZE, *size, needed);
    }
    void *memory = mmap(NULL, *size, protection, MAP_SHARED, descriptor, 0);
    if (memory == MAP_FAILED) {
        rb_sys_fail("mmap");
    }
    return memory;
}

static VALUE claim_initialize(VALUE self, VALUE claims, VALUE withdrawals, VALUE offset) {
    claim_t *claim = claim_of(self);
    const size_t at = NUM2SIZET(offset);
    if (at % CELL_LENGTH != 0) {
        rb_raise(rb_eArgError, "no cell begins at %" PRIuSIZE, at);
    }
    claim_unmap(claim);
    claim->withdrawals =
        map(withdrawals, PROT_READ, TICKETS_OFFSET + sizeof(uint64_t) * CHANNELS, &claim->withdrawals_size);
    claim->claims = map(claims, PROT_READ | PROT_WRITE, at + CELL_LENGTH, &claim->claims_size);
    claim->cell = claim->claims + at;
    return self;
}

static void store(char *at, uint64_t value) {
    atomic_store_explicit((_Atomic uint64_t *)at, value, memory_order_release);
}

/* Adds the request to those that have ended in this cell: their number, and when the last one did.
 * Only this thread writes the two words. */
static void count(char *cell) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    store(cell + ANSWERED_OFFSET, atomic_load((const _Atomic uint64_t *)(cell + ANSWERED_OFFSET)) + 1);
    store(cell + LAST_USED_OFFSET, (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec);
}

static void clear(char *cell) {
    store(cell + sizeof(uint64_t), 0);
    store(cell, 0);
}

/* A mark with another serial belongs to a later channel of the slot. */
static bool withdrawn(const char *withdrawals, uint64_t channel, uint64_t ticket) {
    const char *at = withdrawals + TICKETS_OFFSET + sizeof(uint64_t) * (channel % CHANNELS);
    const uint64_t mark = atomic_load((const _Atomic uint64_t *)at);
    return mark >> 32 != (channel >> 16 & UINT32_MAX) || (mark & UINT32_MAX) >= ticket;
}

/*
 * take(message): claims the request, then looks at its mark. False: the request is withdrawn. The
 * channel is written before the ticket, so that a reader never sees the ticket with no channel.
 */
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
    store(claim->cell, id[0]);
    store(claim->cell + sizeof(id[0]), id[1]);
    /* A child writes the mark, then reads the claims: one of the two must see the other. */
    atomic_thread_fence(memory_order_seq_cst);
    return withdrawn(claim->withdrawals, id[0], id[1]) ? Qfalse : Qtrue;
}

static VALUE claim_clear(VALUE self) {
    char *cell = claim_of(self)->cell;
    if (cell != NULL) {
        clear(cell);
    }
    return Qnil;
}

static VALUE claim_complete(VALUE self) {
    char *cell = claim_of(self)->cell;
    if (cell != NULL) {
        count(cell);
        clear(cell);
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
