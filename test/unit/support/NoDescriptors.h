#pragma once

#include <cppunit/TestAssert.h>
#include <fcntl.h>
#include <sys/resource.h>

#include "base/FileDescriptor.h"

namespace Passenger {

/** During its lifetime, this process can open no further descriptor. */
class NoDescriptors {
public:
    NoDescriptors() {
        CPPUNIT_ASSERT_EQUAL(0, ::getrlimit(RLIMIT_NOFILE, &before_));
        const FileDescriptor firstFree(::open("/dev/null", O_RDONLY | O_CLOEXEC));
        const rlimit none{static_cast<rlim_t>(firstFree.get()), before_.rlim_max};
        CPPUNIT_ASSERT_EQUAL(0, ::setrlimit(RLIMIT_NOFILE, &none));
    }
    ~NoDescriptors() { ::setrlimit(RLIMIT_NOFILE, &before_); }
    NoDescriptors(const NoDescriptors &) = delete;
    NoDescriptors &operator=(const NoDescriptors &) = delete;

private:
    rlimit before_{};
};

}  // namespace Passenger
