#pragma once

#include <memory>
#include <vector>

#include "apache2/agent/ChannelTrimmer.h"
#include "apache2/config/Settings.h"
#include "apache2/httpd/ThreadCounts.h"
#include "apache2/request/RefusalPause.h"
#include "apache2/request/RequestContext.h"
#include "apache2/request/RestartLooks.h"
#include "apache2/request/StartupFileCache.h"
#include "apache2/request/UsageLedger.h"
#include "apache2/response/AnswerLimits.h"
#include "apache2/response/ResponseCache.h"
#include "apache2/response/Turbocache.h"
#include "base/DescriptorCloser.h"
#include "base/Mutex.h"
#include "client/ApplicationPoolServer.h"

namespace Passenger {

/**
 * The state of an httpd child: idle request contexts, the cache of startup files and the responses
 * of PassengerTurbocaching. It has also the limits of what requests use, and the trimmer of unused
 * reply channels.
 *
 * child_init makes the Child, and the Child lives as long as the process: threads may use it until
 * the process exits. Thread-safe.
 */
class Child {
public:
    /** Returns its request context to the Child when it is destroyed. */
    class BorrowedContext {
    public:
        BorrowedContext(Child &child, std::unique_ptr<RequestContext> context)
            : child_(child), context_(std::move(context)) {}
        BorrowedContext(const BorrowedContext &) = delete;
        BorrowedContext &operator=(const BorrowedContext &) = delete;
        ~BorrowedContext() {
            if (context_) {
                child_.giveBack(std::move(context_));
            }
        }
        RequestContext &operator*() const noexcept { return *context_; }
        /** Destroys the context, whose pool can no longer be used. */
        void discard() noexcept { context_.reset(); }

    private:
        Child &child_;
        std::unique_ptr<RequestContext> context_;
    };

    /** Makes the kernel end this process with httpd's parent, and connects to the agent. Called in
     *  the child's main thread. */
    static void begin(server_rec *server);
    /** Null before begin(). */
    static Child *current() noexcept;
    /** Tells the pools that this process ends. In a hard end, requests are cut off. In a graceful
     *  end, requests without a time limit wait for at most one more minute. */
    static void stopping(bool gracefully);

    /** @throws SystemException, IOException (no agent runs, or the agent does not answer) */
    BorrowedContext borrow() EXCLUDES(mutex_);
    RefusalPause &refusalPause() noexcept { return refusalPause_; }
    AnswerLimits &limits() noexcept { return limits_; }
    StartupFileCache &startupFiles() noexcept { return startupFiles_; }
    RestartLooks &restartLooks() noexcept { return restartLooks_; }
    ResponseCache &responses() noexcept { return responses_; }

private:
    Child(const Settings &settings, bool alone);
    /** @param threads of each httpd child */
    static unsigned shareOf(unsigned threads) noexcept;
    /** @param set none: three quarters of all */
    static unsigned mostThreads(const Settings::Number &set) noexcept;
    std::unique_ptr<RequestContext> newContext() const;
    void giveBack(std::unique_ptr<RequestContext> context) EXCLUDES(mutex_);

    Mutex mutex_{Locks::CHILD};
    std::vector<std::unique_ptr<RequestContext>> idle_ GUARDED_BY(mutex_);
    RefusalPause refusalPause_{ThreadCounts::ofMpm()};
    /** Null: it could not be opened. */
    const std::unique_ptr<UsageLedger> usageLedger_;
    AnswerLimits limits_;
    const unsigned share_ = shareOf(ThreadCounts::ofMpm());
    StartupFileCache startupFiles_;
    RestartLooks restartLooks_;
    ResponseCache responses_{Turbocache::changes()};
    ChannelTrimmer trimmer_;
    /** Closes what applications sent. Not used in httpd's parent. */
    DescriptorCloser closer_;
};

}  // namespace Passenger
