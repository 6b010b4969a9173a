#include "standalone/Successor.h"

#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "base/WholeNumber.h"

namespace Passenger {

namespace {

std::string programFile;

ChildProcess::Command makeCommand(const std::vector<std::string> &arguments, const StandaloneOptions &options,
                                  const ListeningSockets &sockets) {
    ChildProcess::Command command;
    command.program = programFile;
    command.arguments = arguments;
    for (const int socket : sockets.descriptors()) {
        command.descriptors.emplace_back(socket, socket);
    }
    command.environment.emplace();
    const auto handedOver = fmt::format("{}=", ListeningSockets::HANDED_OVER);
    const auto predecessor = fmt::format("{}=", Successor::PREDECESSOR);
    for (char **variable = environ; *variable != nullptr; ++variable) {
        const std::string_view pair = *variable;
        if (!pair.starts_with(handedOver) && !pair.starts_with(predecessor)) {
            command.environment->emplace_back(pair);
        }
    }
    command.environment->push_back(fmt::format("{}{}", handedOver, sockets.handOver()));
    command.environment->push_back(fmt::format("{}{}", predecessor, ::getpid()));
    command.environment->push_back(fmt::format("{}={}", StandaloneOptions::FOLDER, options.folder));
    return command;
}

}  // namespace

Successor::Successor(EventLoop &loop, const std::vector<std::string> &arguments, const StandaloneOptions &options,
                     const ListeningSockets &sockets, std::function<void(int status)> ended)
    : process_(makeCommand(arguments, options, sockets)), ended_(std::move(ended)) {
    watcher_ =
        std::make_unique<DescriptorWatcher>(loop, process_.pidFd().get(), DescriptorWatcher::READABLE, [this](int) {
            // wait() closes the watched descriptor when it reaps the process.
            watcher_->setEvents(0);
            const auto status = process_.wait(std::chrono::milliseconds(0));
            const auto ended = ended_;
            ended(status.value_or(UNKNOWN_WAIT_STATUS));
        });
}

Successor::~Successor() = default;

void Successor::end() {
    toldToEnd_ = true;
    process_.signal(SIGTERM);
}

void Successor::release() noexcept {
    watcher_.reset();
    static_cast<void>(process_.release());
}

pid_t Successor::endPredecessor() {
    const char *const value = std::getenv(PREDECESSOR);
    if (value == nullptr) {
        return 0;
    }
    const auto pid = wholeNumber<pid_t>(value).value_or(0);
    ::unsetenv(PREDECESSOR);
    // The pid surely belongs to the predecessor only while that is the parent.
    if (pid <= 1 || pid != ::getppid()) {
        return 0;
    }
    return ::kill(pid, SIGTERM) == 0 ? pid : 0;
}

void Successor::rememberProgram() {
    programFile = std::filesystem::read_symlink("/proc/self/exe").string();
}

}  // namespace Passenger
