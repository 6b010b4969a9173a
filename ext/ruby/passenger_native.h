#pragma once

/* Shared by the parts of the native code; see passenger_native.c. */

#include <ruby.h>
#include <ruby/io.h>

/* Raises IOError where it is closed, TypeError where it is none. */
static inline int descriptor_of(VALUE io) {
    rb_io_t *file;
    GetOpenFile(RB_TYPE_P(io, T_FILE) ? io : rb_io_get_io(io), file);
    return file->fd;
}

/* Defines Claim in the module. */
void define_claim(VALUE module);
