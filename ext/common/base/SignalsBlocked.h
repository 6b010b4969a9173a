#pragma once

#include <pthread.h>
#include <signal.h>

namespace Passenger {

/**
 * Blocks all signals in this thread for a scope. A thread or process that the scope makes begins
 * with all of them blocked: no handler runs in it.
 */
class SignalsBlocked {
public:
    SignalsBlocked() noexcept {
        sigset_t all;
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before_);
    }
    ~SignalsBlocked() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
    SignalsBlocked(const SignalsBlocked &) = delete;
    SignalsBlocked &operator=(const SignalsBlocked &) = delete;

private:
    sigset_t before_;
};

}  // namespace Passenger
