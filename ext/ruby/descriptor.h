#pragma once

#include <ruby.h>
#include <ruby/io.h>
#include <ruby/version.h>

/* Raises IOError if the IO is closed, TypeError if the object is no IO. */
static inline int descriptor_of(VALUE io) {
    if (!RB_TYPE_P(io, T_FILE)) {
        io = rb_io_get_io(io);
    }
#if RUBY_API_VERSION_CODE >= 30100
    return rb_io_descriptor(io);
#else
    rb_io_t *file;
    GetOpenFile(io, file);
    return file->fd;
#endif
}
