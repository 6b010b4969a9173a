#include "prefork/ProgramLauncher.h"

#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <string>
#include <utility>

#include "prefork/PipedWorker.h"
#include "prefork/WorkerListener.h"

namespace Passenger {

namespace {

class ProgramWorker final : public PipedWorker {
public:
    ProgramWorker(EventLoop &loop, WorkerListener &listener, WorkerId id, FileDescriptor output, FileDescriptor error,
                  FileDescriptor printed, ChildProcess process)
        : PipedWorker(loop, listener, id, std::move(output), std::move(error), std::move(printed)),
          process_(std::move(process)),
          pid_(process_.pid()),
          watcher_(std::make_unique<DescriptorWatcher>(loop, process_.pidFd().get(), DescriptorWatcher::READABLE,
                                                       [this](int) { reap(); })) {}

    pid_t pid() const override { return pid_; }
    bool signal(int signal) override { return process_.signal(signal); }
    void forget() noexcept override {
        watcher_.reset();
        stopReading();
        static_cast<void>(process_.release());
    }

private:
    void reap() {
        // wait() closes the watched descriptor when it reaps the process.
        watcher_->setEvents(0);
        if (const auto status = process_.wait(std::chrono::milliseconds(0))) {
            watcher_.reset();
            processEnded(*status);
        } else {
            watcher_->setEvents(DescriptorWatcher::READABLE);
        }
    }

    ChildProcess process_;
    pid_t pid_;
    std::unique_ptr<DescriptorWatcher> watcher_;
};

}  // namespace

ProgramLauncher::ProgramLauncher(CommandMaker maker, Printing printing)
    : maker_(std::move(maker)), printing_(printing), lifeline_(makePipe()) {}

std::unique_ptr<WorkerProcess> ProgramLauncher::launch(WorkerId id) {
    DescriptorPair output = makePipe();
    DescriptorPair error = makePipe();
    DescriptorPair printed;
    ChildProcess::Command command = maker_();
    if (printing_ == Printing::APART) {
        printed = makePipe();
        command.descriptors.emplace_back(printed.second.get(), printed.second.get());
        command.arguments.push_back("output=" + std::to_string(printed.second.get()));
    }
    command.descriptors.emplace_back(lifeline_.first.get(), STDIN_FILENO);
    command.descriptors.emplace_back(output.second.get(), STDOUT_FILENO);
    command.descriptors.emplace_back(error.second.get(), STDERR_FILENO);
    command.parentDeathSignal = SIGKILL;
    ChildProcess process(command);
    return std::make_unique<ProgramWorker>(*loop_, *listener_, id, std::move(output.first), std::move(error.first),
                                           std::move(printed.first), std::move(process));
}

}  // namespace Passenger
