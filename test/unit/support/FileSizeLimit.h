#pragma once

#include <cppunit/TestAssert.h>
#include <signal.h>
#include <sys/resource.h>

namespace Passenger {

/** During its lifetime, this process writes nothing behind so many bytes of a file, as on a full
 *  disk: a write ends there, and the next one fails. */
class FileSizeLimit {
public:
    explicit FileSizeLimit(rlim_t bytes) : signal_(::signal(SIGXFSZ, SIG_IGN)) {
        CPPUNIT_ASSERT_EQUAL(0, ::getrlimit(RLIMIT_FSIZE, &before_));
        const rlimit limit{bytes, before_.rlim_max};
        CPPUNIT_ASSERT_EQUAL(0, ::setrlimit(RLIMIT_FSIZE, &limit));
    }
    ~FileSizeLimit() {
        ::setrlimit(RLIMIT_FSIZE, &before_);
        ::signal(SIGXFSZ, signal_);
    }
    FileSizeLimit(const FileSizeLimit &) = delete;
    FileSizeLimit &operator=(const FileSizeLimit &) = delete;

private:
    rlimit before_{};
    sighandler_t signal_;
};

}  // namespace Passenger
