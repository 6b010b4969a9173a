#pragma once

#include <memory>
#include <vector>

#include "apache2/agent/ChannelTrimmer.h"
#include "apache2/request/RefusalPause.h"
#include "apache2/request/RequestContext.h"
#include "apache2/request/StartupFileCache.h"
#include "apache2/response/RefusalLog.h"
#include "apache2/response/ResponseCache.h"
#include "apache2/response/Turbocache.h"
#include "base/Mutex.h"
#include "client/ApplicationPoolServer.h"

namespace Passenger {

/**
 * What an httpd child keeps: contexts that no request uses now, what it has seen of startup files, answers for PassengerTurbocaching, and who closes
 * reply channels that nobody needs.
 *
 * Made in child_init, lives as long as the process (threads may use it until the very end). Thread-safe.
 */
class Child {
public:
    /** Gives its request context back when it goes. */
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
        RequestContext &operator*() const noexcept {
            return *context_;
        }
        /** Its pool cannot be used any more. */
        void discard() noexcept {
            context_.reset();
        }

    private:
        Child &child_;
        std::unique_ptr<RequestContext> context_;
    };

    /** Ties this process's life to that of httpd's parent, and connects to the agent. Called in the child's main thread. */
    static void begin(server_rec *server);
    /** Null before begin(). */
    static Child *current() noexcept;
    /** This process is about to end: hard, requests are cut off; gracefully, those that wait without a limit of time do so for a minute at most. */
    static void stopping(bool gracefully);

    /** @throws SystemException, IOException (there is no agent, or it does not answer) */
    BorrowedContext borrow() EXCLUDES(mutex_);
    RefusalPause &refusalPause() noexcept {
        return refusalPause_;
    }
    RefusalLog &refusalLog() noexcept {
        return refusalLog_;
    }
    StartupFileCache &startupFiles() noexcept {
        return startupFiles_;
    }
    ResponseCache &responses() noexcept {
        return responses_;
    }

private:
    explicit Child(bool alone);
    static unsigned threads() noexcept;
    static unsigned shareOfThreads() noexcept;
    std::unique_ptr<RequestContext> newContext() const;
    void giveBack(std::unique_ptr<RequestContext> context) EXCLUDES(mutex_);

    Mutex mutex_{Locks::CHILD};
    std::vector<std::unique_ptr<RequestContext>> idle_ GUARDED_BY(mutex_);
    RefusalPause refusalPause_{threads()};
    RefusalLog refusalLog_;
    const unsigned share_ = shareOfThreads();
    StartupFileCache startupFiles_;
    ResponseCache responses_{Turbocache::changes()};
    ChannelTrimmer trimmer_;
};

}  // namespace Passenger
