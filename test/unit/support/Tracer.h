#pragma once

#include <cppunit/TestAssert.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include "io/SocketPair.h"

namespace Passenger {

/** Traces a process, whose parent cannot reap it meanwhile. The process stands for one with a
 *  thread that no signal ends. */
class Tracer {
public:
    explicit Tracer(pid_t traced) {
        DescriptorPair ready = makeStreamPair();
        pid_ = ::fork();
        if (pid_ == 0) {
            const bool traces = ::ptrace(PTRACE_SEIZE, traced, 0, 0) == 0;
            static_cast<void>(::write(ready.second.get(), "x", traces ? 1 : 0));
            ready.second.reset();
            ::pause();
            ::_exit(0);
        }
        ready.second.reset();
        char byte = 0;
        CPPUNIT_ASSERT_EQUAL(ssize_t{1}, ::read(ready.first.get(), &byte, 1));
    }
    ~Tracer() {
        ::kill(pid_, SIGKILL);
        ::waitpid(pid_, nullptr, 0);
    }
    Tracer(const Tracer &) = delete;
    Tracer &operator=(const Tracer &) = delete;

private:
    pid_t pid_;
};

}  // namespace Passenger
