#include "standalone/Standalone.h"

#include <fcntl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <utility>

#include <fmt/format.h>

#include "base/Exceptions.h"
#include "base/ProcessTree.h"
#include "base/SignalDescriptor.h"
#include "log/Log.h"

namespace Passenger {

Standalone::Standalone(StandaloneOptions options, std::vector<std::string> arguments)
    : options_(std::move(options)), arguments_(std::move(arguments)) {}

Standalone::~Standalone() = default;

int Standalone::run() {
    ::signal(SIGPIPE, SIG_IGN);
    signals_ = makeSignalDescriptor({SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGUSR1, SIGUSR2, SIGTTIN, SIGTTOU, SIGCHLD});
    sockets_ = std::make_shared<ListeningSockets>(options_.sockets);
    if (options_.earlyHints) {
        ::setenv("PASSENGER_EARLY_HINTS", "on", 1);
    }
    preFork_ = std::make_unique<RackPreFork>(options_, sockets_, [this] { workersReady(); });
    preFork_->start();
    const Log::Writer logWriter;
    for (const int socket : sockets_->descriptors()) {
        Log::notice("event=prefork.listening address={} app=\"{}\" environment={}", describeSocket(socket),
                    options_.appRoot, options_.environment);
    }
    loop_ = std::make_unique<EventLoop>();
    signalWatcher_ = std::make_unique<DescriptorWatcher>(*loop_, signals_.get(), DescriptorWatcher::READABLE,
                                                         [this](int) { takeSignals(); });
    preFork_->run(*loop_);
    const auto problem = preFork_->waitForEnd();
    return conclude(problem);
}

int Standalone::conclude(const std::string &problem) {
    signalWatcher_.reset();
    loop_->runSync([this] {
        // The successor stays, and with it the socket files, unless it is to end, too.
        if (successor_ != nullptr) {
            if (!successor_->toldToEnd()) {
                sockets_->keepFiles();
            }
            successor_->release();
        }
    });
    successor_.reset();
    const bool failed = failedToBoot();
    preFork_.reset();
    loop_->stop();
    removePidFile();
    if (failed) {
        Log::error(
            "event=prefork.failed reason=\"the application does not load; the lines above have the reason\" app=\"{}\"",
            options_.appRoot);
        return EXIT_FAILURE;
    }
    if (!problem.empty()) {
        Log::error("event=prefork.failed reason=\"{}\"", problem);
        return EXIT_FAILURE;
    }
    Log::notice("event=prefork.ended");
    return EXIT_SUCCESS;
}

/** A signal to all processes may end workers that load before this process has read it. */
bool Standalone::failedToBoot() const {
    sigset_t pending;
    ::sigpending(&pending);
    const bool stops = toldToStop_ || sigismember(&pending, SIGTERM) == 1 || sigismember(&pending, SIGINT) == 1 ||
                       sigismember(&pending, SIGQUIT) == 1;
    return preFork_->failedToBoot() && !stops;
}

void Standalone::takeSignals() {
    signalfd_siginfo info{};
    while (::read(signals_.get(), &info, sizeof info) == static_cast<ssize_t>(sizeof info)) {
        handle(static_cast<int>(info.ssi_signo), static_cast<pid_t>(info.ssi_pid));
    }
}

void Standalone::handle(int signal, pid_t sender) {
    switch (signal) {
        case SIGHUP: restart(); break;
        case SIGUSR1:
            for (const auto &line : preFork_->status()) {
                Log::notice("event=prefork.status {}", line);
            }
            break;
        case SIGUSR2: startSuccessor(); break;
        case SIGTTIN: preFork_->moveLimits(+1); break;
        case SIGTTOU: preFork_->moveLimits(-1); break;
        case SIGCHLD: reapOthers(); break;
        default: stop(signal, sender);
    }
}

/**
 * The objects of workers and of a successor reap these. The first process of a container has other
 * children: those that have lost their parents. So does the successor of a shell with jobs.
 */
void Standalone::reapOthers() {
    for (const pid_t child : childrenOf(::getpid())) {
        if (!preFork_->isWorker(child) && (successor_ == nullptr || successor_->pid() != child)) {
            ::waitpid(child, nullptr, WNOHANG);
        }
    }
}

/** After the end has begun, only a successor that is ready has workers to replace. */
void Standalone::restart() {
    if (!preFork_->shuttingDown()) {
        Log::notice("event=prefork.restarting");
        preFork_->restartServers();
        renewSuccessor();
    } else if (successor_ != nullptr && succeeded_) {
        successor_->restart();
    }
}

void Standalone::stop(int signal, pid_t sender) {
    toldToStop_ = true;
    if (successor_ != nullptr && sender == successor_->pid()) {
        succeeded_ = true;
        if (renew_) {
            successor_->restart();
        }
    } else if (successor_ != nullptr && !succeeded_) {
        // The successor is not ready yet: the signal is for both.
        successor_->end();
    }
    if (!preFork_->shuttingDown()) {
        Log::notice("event=prefork.ending signal={}", sigabbrev_np(signal));
        preFork_->shutdown();
    }
}

void Standalone::workersReady() {
    if (announced_) {
        return;
    }
    announced_ = true;
    writePidFile();
    Log::notice("event=prefork.ready workers={}", preFork_->counts().free);
    if (const pid_t ended = Successor::endPredecessor(); ended != 0) {
        Log::notice("event=prefork.succeeded predecessor={}", ended);
    }
    sockets_->ownHandedOver();
}

void Standalone::startSuccessor() {
    if (preFork_->shuttingDown()) {
        return;
    }
    if (::getpid() == 1) {
        // The kernel ends a container with its first process.
        Log::warn(
            "event=prefork.successor_refused reason=\"this process is the first one of its container, which ends with "
            "it\" remedy=\"HUP loads the application anew\"");
        return;
    }
    if (!announced_) {
        Log::warn("event=prefork.successor_refused reason=\"this process is not ready yet; try again later\"");
        return;
    }
    if (successor_ != nullptr) {
        renewSuccessor();
        return;
    }
    renew_ = false;
    try {
        successor_ = std::make_unique<Successor>(*loop_, arguments_, options_, *sockets_,
                                                 [this](int status) { successorEnded(status); });
        Log::notice("event=prefork.successor_started pid={}", successor_->pid());
    } catch (const SystemException &error) {
        Log::error("event=prefork.successor_failed reason=\"{}\"; this process continues", error.what());
    }
}

/** A successor that loads has perhaps loaded a former version in some of its workers. It restarts
 *  them when it is ready: it may not be told before that. */
void Standalone::renewSuccessor() {
    if (successor_ != nullptr) {
        renew_ = true;
        Log::notice("event=prefork.successor_renewed pid={}", successor_->pid());
    }
}

void Standalone::successorEnded(int status) {
    if (!preFork_->shuttingDown()) {
        Log::error(
            "event=prefork.successor_failed reason=\"the successor {} before it was ready\"; this process continues",
            describeEnd(status));
    }
    successor_.reset();
    if (renew_) {
        startSuccessor();
    }
}

void Standalone::writePidFile() const {
    if (options_.pidFile.empty()) {
        return;
    }
    // The file of a predecessor stays whole until this one is. A link or a device stays what it is.
    struct stat status {};
    const bool replaced = ::lstat(options_.pidFile.c_str(), &status) != 0 || S_ISREG(status.st_mode);
    std::string written = replaced ? fmt::format("{}.{}", options_.pidFile, ::getpid()) : options_.pidFile;
    FileDescriptor file(::open(written.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
    if (!file && errno == EACCES && replaced) {
        // In that folder this user may only write the file itself.
        written = options_.pidFile;
        file = FileDescriptor(::open(written.c_str(), O_WRONLY | O_TRUNC | O_CLOEXEC));
    }
    const std::string text = fmt::format("{}\n", ::getpid());
    if (!file || ::write(file.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size()) ||
        (written != options_.pidFile && ::rename(written.c_str(), options_.pidFile.c_str()) != 0)) {
        Log::error("event=prefork.pid_file_failed path=\"{}\" error=\"{}\"", options_.pidFile, std::strerror(errno));
        if (written != options_.pidFile) {
            ::unlink(written.c_str());
        }
    }
}

/** Keeps the file of a successor, which has its own pid. */
void Standalone::removePidFile() const {
    std::ifstream file(options_.pidFile);
    pid_t pid = 0;
    if (!options_.pidFile.empty() && file >> pid && pid == ::getpid()) {
        ::unlink(options_.pidFile.c_str());
    }
}

}  // namespace Passenger
