#pragma once

#include <arpa/inet.h>
#include <cppunit/TestAssert.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <fstream>
#include <memory>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <utility>

#include "base/FileDescriptor.h"
#include "base/ProcessTree.h"
#include "prefork/AcceptServer.h"
#include "prefork/ForkLauncher.h"
#include "prefork/PreFork.h"
#include "prefork/TcpServer.h"
#include "prefork/WorkerLauncher.h"
#include "support/CapturedLog.h"
#include "support/Eventually.h"
#include "support/LeakCheck.h"

namespace Passenger {

/** What this process writes to its standard output goes into a file meanwhile. */
class CapturedOutput {
public:
    CapturedOutput() {
        std::fflush(stdout);
        before_.reset(::dup(STDOUT_FILENO));
        char name[] = "/tmp/passenger.output.XXXXXX";
        file_.reset(::mkstemp(name));
        ::unlink(name);
        ::dup2(file_.get(), STDOUT_FILENO);
    }
    ~CapturedOutput() {
        std::fflush(stdout);
        ::dup2(before_.get(), STDOUT_FILENO);
    }
    CapturedOutput(const CapturedOutput &) = delete;
    CapturedOutput &operator=(const CapturedOutput &) = delete;

    std::string text() const {
        std::string all(65536, '\0');
        const ssize_t size = ::pread(file_.get(), all.data(), all.size(), 0);
        all.resize(size > 0 ? static_cast<std::size_t>(size) : 0);
        return all;
    }
    bool contains(const std::string &part) const { return text().find(part) != std::string::npos; }

private:
    FileDescriptor before_;
    FileDescriptor file_;
};

/** Whether it is there, and has not ended. */
inline bool runs(pid_t pid) {
    std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
    std::string text;
    std::getline(file, text);
    const auto end = text.rfind(')');
    return end != std::string::npos && text.at(end + 2) != 'Z';
}

/**
 * A forked process that continues the test until it is killed. Orphans of the process become
 * children of the test program, which reaps them.
 */
class ForkedMonitor {
public:
    template <typename Action> explicit ForkedMonitor(Action action) {
        ::prctl(PR_SET_CHILD_SUBREAPER, 1);
        pid_ = ::fork();
        if (pid_ == 0) {
            ::prctl(PR_SET_PDEATHSIG, SIGKILL);
            action();
            ::poll(nullptr, 0, -1);
            ::_exit(0);
        }
    }
    ~ForkedMonitor() {
        kill();
        do {
            // Whoever is left has become ours.
            for (const pid_t pid : descendantsOf(::getpid())) {
                ::kill(pid, SIGKILL);
            }
        } while (::waitpid(-1, nullptr, 0) > 0);
        ::prctl(PR_SET_CHILD_SUBREAPER, 0);
    }
    ForkedMonitor(const ForkedMonitor &) = delete;
    ForkedMonitor &operator=(const ForkedMonitor &) = delete;

    pid_t pid() const noexcept { return pid_; }
    void kill() const noexcept { ::kill(pid_, SIGKILL); }

private:
    pid_t pid_;
};

/**
 * A monitor with a loop and real workers. The workers are forks of this program that serve TCP on
 * 127.0.0.1.
 */
class PreForkProcesses : public LeakCheck {
public:
    void setUp() override {
        LeakCheck::setUp();
        log_.emplace();
        output_.emplace();
        settings_.limits = {2, 2, 2, 10};
    }
    void tearDown() override {
        end();
        output_.reset();
        log_.reset();
        settings_ = {};
        LeakCheck::tearDown();
    }

protected:
    std::optional<CapturedLog> log_;
    std::optional<CapturedOutput> output_;
    PreForkSettings settings_;
    std::unique_ptr<EventLoop> loop_;
    std::unique_ptr<PreFork> preFork_;
    std::shared_ptr<TcpServer> tcp_;

    /** What a connection asks for with its first line. */
    static void serve(FileDescriptor connection) {
        const std::string wish = readLine(connection.get());
        if (wish == "pid") {
            answer(connection.get(), std::to_string(::getpid()));
        } else if (wish == "block") {
            answer(connection.get(), std::to_string(::getpid()) + "\n");
            ::poll(nullptr, 0, -1);
        } else if (wish == "hold") {
            // Until the client says more.
            readLine(connection.get());
            answer(connection.get(), "held");
        } else if (wish == "crash") {
            ::signal(SIGSEGV, SIG_DFL);
            ::raise(SIGSEGV);
        } else if (wish == "print") {
            std::printf("one\ntwo without an end");
            std::fflush(stdout);
            std::fprintf(stderr, "three\n");
            answer(connection.get(), "printed");
        } else if (wish == "throw") {
            throw std::runtime_error("broken wish");
        } else if (wish == "exit") {
            ::_exit(0);
        }
    }
    static std::string readLine(int socket) {
        std::string line;
        for (char byte = 0; ::read(socket, &byte, 1) == 1 && byte != '\n';) {
            line += byte;
        }
        return line;
    }
    static void answer(int socket, const std::string &text) { ::send(socket, text.data(), text.size(), MSG_NOSIGNAL); }

    void begin() {
        tcp_ = std::make_shared<TcpServer>("127.0.0.1", 0, serve);
        settings_.server = tcp_;
        begin(std::make_unique<ForkLauncher>());
        CPPUNIT_ASSERT(eventually([this] { return counts().free >= settings_.limits.start; }));
    }
    void begin(std::unique_ptr<WorkerLauncher> launcher) {
        preFork_ = std::make_unique<PreFork>(settings_, std::move(launcher));
        preFork_->start();
        loop_ = std::make_unique<EventLoop>();
        preFork_->run(*loop_);
    }
    void end() {
        if (loop_) {
            loop_->runSync([this] { preFork_->shutdown(); });
            preFork_->waitForEnd();
        }
        preFork_.reset();
        loop_.reset();
        settings_.server.reset();
        tcp_.reset();
    }
    template <typename Question> auto ask(Question question) {
        std::optional<decltype(question(*preFork_))> result;
        loop_->runSync([&] { result = question(*preFork_); });
        return *result;
    }
    SpareCounts counts() {
        return ask([](PreFork &preFork) { return preFork.counts(); });
    }
    std::set<pid_t> pids() {
        std::set<pid_t> found;
        for (const auto &[id, pid] : ask([](PreFork &preFork) { return preFork.idToPid(); })) {
            found.insert(pid);
        }
        return found;
    }
    pid_t busyPid() {
        const auto busy = ask([](PreFork &preFork) { return preFork.busyServers(); });
        return busy.empty() ? 0 : busy.begin()->first;
    }
    static FileDescriptor connectTo(std::uint16_t port, const std::string &wish) {
        FileDescriptor socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        address.sin_port = htons(port);
        CPPUNIT_ASSERT_EQUAL(0, ::connect(socket.get(), reinterpret_cast<sockaddr *>(&address), sizeof address));
        answer(socket.get(), wish + "\n");
        return socket;
    }
    static FileDescriptor connectTo(const std::string &path, const std::string &wish) {
        FileDescriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        path.copy(address.sun_path, sizeof address.sun_path - 1);
        CPPUNIT_ASSERT_EQUAL(0, ::connect(socket.get(), reinterpret_cast<sockaddr *>(&address), sizeof address));
        answer(socket.get(), wish + "\n");
        return socket;
    }
    FileDescriptor connect(const std::string &wish) const { return connectTo(tcp_->port(), wish); }
    std::string request(const std::string &wish) const { return readLine(connect(wish).get()); }
    /**
     * Whether one of the present workers serves. Waits until workers that are ending take no
     * connection.
     */
    bool served() {
        return eventually([this] {
            const std::string pid = request("pid");
            return !pid.empty() && pids().contains(std::stoi(pid));
        });
    }
    /** A connection that keeps its worker for ever. @return its pid */
    pid_t block(FileDescriptor &connection) const {
        std::string pid;
        // A worker that is being ended may leave a connection to another one, or close it.
        CPPUNIT_ASSERT(eventually([&] {
            connection = connect("block");
            pid = readLine(connection.get());
            return !pid.empty();
        }));
        return std::stoi(pid);
    }
};

}  // namespace Passenger
