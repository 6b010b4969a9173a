#pragma once

#include <signal.h>
#include <sys/types.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/Exceptions.h"
#include "prefork/PreFork.h"
#include "prefork/PreForkServer.h"
#include "prefork/WorkerLauncher.h"
#include "prefork/WorkerProcess.h"

namespace Passenger {

/**
 * Starts workers without processes. It notes the signals that they get; the test says what they do.
 */
class FakeLauncher final : public WorkerLauncher {
public:
    struct Process {
        pid_t pid = 0;
        std::vector<int> signals;
        /** Its worker process is still there. */
        bool held = true;
        bool forgotten = false;
    };

    /** By the worker process's id; those that have ended are not in it. */
    std::map<WorkerId, Process> processes;
    /** errno of all launches; 0: they succeed. */
    int error = 0;
    unsigned launches = 0;
    std::function<void()> work;

    void prepare(std::function<void()> theWork) override { work = std::move(theWork); }
    std::unique_ptr<WorkerProcess> launch(WorkerId id) override {
        launches++;
        if (error != 0) {
            throw SystemException("fork", error);
        }
        processes[id].pid = static_cast<pid_t>(1000 + id.value());
        return std::make_unique<FakeWorkerProcess>(*this, id);
    }
    bool told(WorkerId id, int signal) const {
        const auto found = processes.find(id);
        return found != processes.end() &&
               std::count(found->second.signals.begin(), found->second.signals.end(), signal) > 0;
    }
    /** The workers that were told `signal`, and still run. */
    std::vector<WorkerId> all(int signal) const {
        std::vector<WorkerId> found;
        for (const auto &[id, process] : processes) {
            if (told(id, signal)) {
                found.push_back(id);
            }
        }
        return found;
    }

private:
    class FakeWorkerProcess final : public WorkerProcess {
    public:
        FakeWorkerProcess(FakeLauncher &launcher, WorkerId id) : launcher_(launcher), id_(id) {}
        ~FakeWorkerProcess() override {
            if (const auto found = launcher_.processes.find(id_); found != launcher_.processes.end()) {
                found->second.held = false;
            }
        }
        FakeWorkerProcess(const FakeWorkerProcess &) = delete;
        FakeWorkerProcess &operator=(const FakeWorkerProcess &) = delete;

        pid_t pid() const override { return launcher_.processes.at(id_).pid; }
        bool signal(int signal) override {
            const auto found = launcher_.processes.find(id_);
            if (found == launcher_.processes.end()) {
                return false;
            }
            found->second.signals.push_back(signal);
            return true;
        }
        void forget() noexcept override { launcher_.processes[id_].forgotten = true; }

    private:
        FakeLauncher &launcher_;
        WorkerId id_;
    };
};

/** Notes in which order it was called. */
class FakeServer final : public PreForkServer {
public:
    std::vector<std::string> calls;
    std::chrono::milliseconds interval{-1};
    /** What start() says has gone wrong. */
    std::string problem;

    void sendAck(std::chrono::milliseconds theInterval) override {
        calls.emplace_back("sendAck");
        interval = theInterval;
    }
    void start() override {
        calls.emplace_back("start");
        if (!problem.empty()) {
            throw IOException(problem);
        }
    }
    void resumeAccept() override { calls.emplace_back("resumeAccept"); }
};

}  // namespace Passenger
