#include "pool/BackgroundThreads.h"

#include <pthread.h>
#include <exception>
#include <utility>

#include "base/Log.h"

namespace Passenger {

BackgroundThreads::~BackgroundThreads() {
    join();
}

void BackgroundThreads::run(const std::string &name, std::function<void()> work) {
    const LockGuard guard(mutex_);
    for (auto worker = workers_.begin(); worker != workers_.end();) {
        if (worker->done) {
            worker->thread.join();
            worker = workers_.erase(worker);
        } else {
            ++worker;
        }
    }
    Worker &worker = workers_.emplace_back();
    try {
        worker.thread = boost::thread([this, &worker, name, work = std::move(work)]() mutable {
            pthread_setname_np(pthread_self(), name.substr(0, 15).c_str());
            try {
                // What it holds ends here too, not where the thread is joined: it may be a Spawner, or have watchers.
                const std::function<void()> mine = std::exchange(work, nullptr);
                mine();
            } catch (const std::exception &error) {
                Log::error("event=background.failed thread={} error=\"{}\"", name, error.what());
            }
            const LockGuard doneGuard(mutex_);
            worker.done = true;
        });
    } catch (...) {
        workers_.pop_back();
        throw;
    }
}

void BackgroundThreads::join() {
    for (;;) {
        std::list<Worker> mine;
        {
            const LockGuard guard(mutex_);
            if (workers_.empty()) {
                return;
            }
            // One at a time: its entry must stay in the list's node, which the thread refers to.
            mine.splice(mine.begin(), workers_, workers_.begin());
        }
        mine.front().thread.join();
    }
}

}  // namespace Passenger
