#include "prefork/ForkServer.h"

#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <deque>
#include <exception>
#include <map>
#include <optional>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "base/Exceptions.h"
#include "base/PidFd.h"
#include "base/SignalDescriptor.h"
#include "io/SocketPair.h"

namespace Passenger::ForkServer {

namespace {

template <typename Message> std::string_view bytesOf(const Message &message) {
    return {reinterpret_cast<const char *>(&message), sizeof message};
}

void endWithParent(pid_t parent) noexcept {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    // The parent may have ended before the call.
    if (::getppid() != parent) {
        ::_exit(0);
    }
}

class Keeper {
public:
    Keeper(Descriptors descriptors, const std::function<void()> &work)
        : descriptors_(std::move(descriptors)), work_(work) {
        // A terminal signals the monitor, too, and the monitor decides.
        sigset_t all;
        sigfillset(&all);
        ::sigprocmask(SIG_SETMASK, &all, nullptr);
        ended_ = makeSignalDescriptor({SIGCHLD});
    }

    void run() {
        for (;;) {
            const short room = untold_.empty() ? 0 : POLLOUT;
            pollfd entries[3] = {{descriptors_.orders.get(), POLLIN, 0},
                                 {ended_.get(), POLLIN, 0},
                                 {descriptors_.deaths.get(), room, 0}};
            if (::poll(entries, 3, -1) < 0) {
                continue;
            }
            if (entries[1].revents != 0) {
                reap();
            }
            tellDeaths();
            if (entries[0].revents != 0 && !obey()) {
                return;
            }
        }
    }

private:
    /** False: the monitor has ended. */
    bool obey() {
        Order order{};
        const Received received =
            receiveWithDescriptors(descriptors_.orders, std::span(reinterpret_cast<char *>(&order), sizeof order));
        if (received.size != sizeof order) {
            return false;
        }
        if (received.descriptors.size() != 2) {
            // The kernel drops descriptors that exceed the limit of this process.
            answer({order.id, 0, EMFILE});
            return true;
        }
        const pid_t self = ::getpid();
        const pid_t pid = ::fork();
        if (pid == 0) {
            work(received.descriptors, self);
        }
        if (pid < 0) {
            answer({order.id, 0, errno});
            return true;
        }
        try {
            // Only this process reaps the worker, so the pid is valid.
            const FileDescriptor pidFd = openPidFd(pid);
            children_[pid] = order.id;
            answer({order.id, pid, 0}, pidFd.get());
        } catch (const SystemException &error) {
            // The monitor cannot hold a process without a pidfd, and hears nothing of it.
            ::kill(pid, SIGKILL);
            children_.erase(pid);
            answer({order.id, 0, error.error()});
        }
        return true;
    }

    void answer(const Birth &birth, std::optional<int> pidFd = std::nullopt) {
        const int attached = pidFd.value_or(-1);
        sendWithDescriptors(descriptors_.orders, bytesOf(birth), std::span(&attached, pidFd ? 1 : 0));
    }

    void reap() {
        signalfd_siginfo ignored{};
        while (::read(ended_.get(), &ignored, sizeof ignored) > 0) {
        }
        int status = 0;
        for (pid_t pid = 0; (pid = ::waitpid(-1, &status, WNOHANG)) > 0;) {
            if (const auto found = children_.find(pid); found != children_.end()) {
                untold_.push_back({found->second, status});
                children_.erase(found);
            }
        }
    }

    /** Never waits: the monitor may wait for this process. */
    void tellDeaths() {
        while (!untold_.empty()) {
            const auto bytes = bytesOf(untold_.front());
            if (::send(descriptors_.deaths.get(), bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
                return;
            }
            untold_.pop_front();
        }
    }

    /** Called in the worker. */
    [[noreturn]] void work(const std::vector<FileDescriptor> &outputs, pid_t parent) noexcept {
        endWithParent(parent);
        ::prctl(PR_SET_NAME, "prefork-worker");
        int status = 0;
        try {
            ::dup2(descriptors_.lifeline.get(), STDIN_FILENO);
            ::dup2(outputs[0].get(), STDOUT_FILENO);
            ::dup2(outputs[1].get(), STDERR_FILENO);
            for (const auto &output : outputs) {
                ::close(output.get());
            }
            descriptors_ = Descriptors();
            ended_.reset();
            resetSignals();
            work_();
        } catch (const std::exception &error) {
            std::fprintf(stderr, "A worker ended with an error: %s\n", error.what());
            status = 1;
        }
        std::fflush(nullptr);
        ::_exit(status);
    }

    Descriptors descriptors_;
    const std::function<void()> &work_;
    FileDescriptor ended_;
    std::map<pid_t, std::uint64_t> children_;
    std::deque<Death> untold_;
};

}  // namespace

void run(Descriptors descriptors, const std::function<void()> &work, pid_t monitor) noexcept {
    endWithParent(monitor);
    ::prctl(PR_SET_NAME, "prefork-forkServer");
    try {
        Keeper(std::move(descriptors), work).run();
    } catch (const std::exception &error) {
        std::fprintf(stderr, "The fork server ended with an error: %s\n", error.what());
        std::fflush(stderr);
        ::_exit(1);
    }
    ::_exit(0);
}

}  // namespace Passenger::ForkServer
