#include "pool/BackgroundThreads.h"

#include <exception>
#include <utility>

#include "log/Log.h"

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
        worker.thread =
            Thread(name.substr(0, 15).c_str(), [this, &worker, name, work = std::move(work), era = era_]() mutable {
                try {
                    // The objects that the work holds, such as a Spawner, end before run() may wait
                    // for this thread with a lock held.
                    const std::function<void()> mine = std::exchange(work, nullptr);
                    mine();
                } catch (const std::exception &error) {
                    Log::error("event=background.failed thread={} error=\"{}\"", name, error.what());
                }
                // Likewise.
                era.reset();
                destroyEnding();
                const LockGuard doneGuard(mutex_);
                worker.done = true;
            });
    } catch (...) {
        workers_.pop_back();
        throw;
    }
}

BackgroundThreads::Era::~Era() {
    while (next && next.use_count() == 1) {
        // The only owner of the next era takes over the one after it. The copy synchronizes with
        // the former other owner, which use_count() does not.
        const std::shared_ptr<Era> last = next;
        next = std::exchange(last->next, nullptr);
    }
}

void BackgroundThreads::keep(std::shared_ptr<const void> object) {
    const auto next = std::make_shared<Era>();
    // Destroyed without the lock.
    std::shared_ptr<Era> ended;
    const LockGuard guard(mutex_);
    ended = std::exchange(era_, next);
    ended->next = next;
    ended->kept = std::move(object);
}

void BackgroundThreads::endInThread(std::shared_ptr<const void> object) {
    {
        const LockGuard guard(mutex_);
        ending_.push_back(std::move(object));
    }
    run("end", [] {});
}

void BackgroundThreads::destroyEnding() {
    // Destroyed without the lock.
    std::vector<std::shared_ptr<const void>> mine;
    const LockGuard guard(mutex_);
    mine.swap(ending_);
}

void BackgroundThreads::join() {
    for (;;) {
        std::list<Worker> mine;
        {
            const LockGuard guard(mutex_);
            if (workers_.empty()) {
                break;
            }
            // One at a time: its entry must stay in the list's node, which the thread refers to.
            mine.splice(mine.begin(), workers_, workers_.begin());
        }
        mine.front().thread.join();
    }
    destroyEnding();
}

}  // namespace Passenger
