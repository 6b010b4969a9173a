#include "base/SystemClock.h"
#include "prefork/ProgramLauncher.h"

#include <cppunit/extensions/HelperMacros.h>

#include <optional>
#include <string>

#include "support/PreForkProcesses.h"

namespace Passenger {

using namespace std::chrono_literals;

/** Workers that are programs: shell scripts here. `ack`, `busy` and `notBusy` are shell
 *  commands. */
class ProgramLauncherTest : public PreForkProcesses {
    CPPUNIT_TEST_SUITE(ProgramLauncherTest);
    CPPUNIT_TEST(testAProgramReportsItsState);
    CPPUNIT_TEST(testAProgramInheritsTheListeningSocket);
    CPPUNIT_TEST(testAProgramThatIgnoresTheInterruptIsKilled);
    CPPUNIT_TEST(testOutputIsSeparatedFromMessages);
    CPPUNIT_TEST(testSeparateOutputIsNeverAMessage);
    CPPUNIT_TEST(testAProgramThatCannotBeExecutedEndsTheMonitor);
    CPPUNIT_TEST(testAProgramThatExitsIsRestartedAfterGrowingPauses);
    CPPUNIT_TEST(testIfANewProgramDoesNotStartTheOldOnesStay);
    CPPUNIT_TEST(testAProgramThatClosesItsOutputIsEnded);
    CPPUNIT_TEST(testTheInputOfAProgramEndsWithTheMonitor);
    CPPUNIT_TEST_SUITE_END();

    /** A server that only listens. */
    class Server final : public PreForkServer {
    public:
        FileDescriptor listener;

        void sendAck(std::chrono::milliseconds) override {}
        void start() override { listener = listenOnTcp("127.0.0.1", 0); }
        void resumeAccept() override {}
    };
    static constexpr int LISTENER = 3;

    std::string script_;
    std::shared_ptr<Server> server_;

    void run(const std::string &script, ProgramLauncher::Printing printing = ProgramLauncher::Printing::WITH_WORDS) {
        script_ = script;
        server_ = std::make_shared<Server>();
        settings_.server = server_;
        begin(std::make_unique<ProgramLauncher>(
            [this, server = server_] {
                ChildProcess::Command command;
                command.program = "/bin/sh";
                command.arguments = {"-c", R"(
                ack() { printf '\377\376A\376\377'; }
                busy() { printf '\377\376B\376\377'; }
                notBusy() { printf '\377\376N\376\377'; }
            )" + script_};
                if (script_ == "no program") {
                    command.program = "/no/such/program";
                }
                command.descriptors = {{server->listener.get(), LISTENER}};
                return command;
            },
            printing));
    }
    bool prints(const std::string &text) {
        return eventually([&] { return output_->contains(text); });
    }

public:
    void setUp() override {
        PreForkProcesses::setUp();
        settings_.limits = {1, 1, 1, 4};
    }
    void tearDown() override {
        end();
        server_.reset();
        PreForkProcesses::tearDown();
    }

    void testAProgramReportsItsState() {
        settings_.limits = {1, 1, 1, 1};
        run("ack; read wait || busy; exec sleep 60");
        CPPUNIT_ASSERT(eventually([this] { return counts().free == 1; }));
        CPPUNIT_ASSERT_EQUAL(0U, counts().busy);
    }

    void testAProgramInheritsTheListeningSocket() {
        run("ack; readlink /proc/self/fd/3; exec sleep 60");
        CPPUNIT_ASSERT(prints(" STDOUT: socket:["));
    }

    void testAProgramThatIgnoresTheInterruptIsKilled() {
        settings_.grace = 50ms;
        run("trap '' INT; ack; echo ready; exec sleep 60");
        CPPUNIT_ASSERT(prints("ready"));
        const pid_t pid = *pids().begin();
        end();
        CPPUNIT_ASSERT(!runs(pid));
        CPPUNIT_ASSERT(log_->contains("event=prefork.worker_killed pid=" + std::to_string(pid)));
    }

    void testOutputIsSeparatedFromMessages() {
        settings_.limits = {1, 1, 1, 1};
        run(R"(printf 'hel'; busy; printf 'lo\nnul \000 byte\n'; notBusy; printf 'COMM_ACK\n\377\376X'; notBusy; exit 0)");
        CPPUNIT_ASSERT(eventually([this] { return log_->contains("event=prefork.worker_died"); }));
        const std::string text = output_->text();
        CPPUNIT_ASSERT(text.find(" STDOUT: hello\n") != std::string::npos);
        CPPUNIT_ASSERT(text.find(std::string(" STDOUT: nul \0 byte\n", 20)) != std::string::npos);
        CPPUNIT_ASSERT(text.find(" STDOUT: COMM_ACK\n") != std::string::npos);
        CPPUNIT_ASSERT(text.find(" STDOUT: \xFF\xFEX\n") != std::string::npos);
        CPPUNIT_ASSERT(text.find('\xFE' + std::string("N")) == std::string::npos);
    }

    void testSeparateOutputIsNeverAMessage() {
        // The shell's $0 is the last argument, output=N.
        run(R"(exec 3>/proc/self/fd/${0#output=}; { printf 'a\n'; busy; printf '\n'; ack; printf 'last'; } >&3; echo b; read wait)",
            ProgramLauncher::Printing::APART);
        CPPUNIT_ASSERT(prints(" STDOUT: \xFF\xFE\x42\xFE\xFF\n") && prints(" STDOUT: b\n"));
        CPPUNIT_ASSERT_EQUAL(0U, counts().busy);
        CPPUNIT_ASSERT_EQUAL(1U, counts().starting);
        end();
        CPPUNIT_ASSERT(output_->contains(" STDOUT: \xFF\xFE\x41\xFE\xFFlast\n"));
    }

    void testAProgramThatCannotBeExecutedEndsTheMonitor() {
        run("no program");
        CPPUNIT_ASSERT_EQUAL(
            std::string("A worker could not be started: exec(\"/no/such/program\"): No such file or directory"),
            preFork_->waitForEnd());
    }

    void testAProgramThatExitsIsRestartedAfterGrowingPauses() {
        const MonotonicTime begin = SystemClock::instance().now();
        run("exit 7");
        CPPUNIT_ASSERT(eventually([this] { return log_->count("exited with status 7") >= 4; }));
        // The starts are at once, and after 0.1, 0.3 and 0.7 seconds.
        CPPUNIT_ASSERT(SystemClock::instance().now() - begin >= 700ms);
        // The next start is after 1.5 seconds.
        std::optional<MonotonicTime> next;
        CPPUNIT_ASSERT(
            eventually([&] { return (next = ask([](PreFork &preFork) { return preFork.nextAlarm(); })).has_value(); }));
        CPPUNIT_ASSERT(*next - begin >= 1500ms);
    }

    void testIfANewProgramDoesNotStartTheOldOnesStay() {
        run("ack; exec sleep 60");
        CPPUNIT_ASSERT(eventually([this] { return counts().free == 1; }));
        const auto before = pids();
        loop_->runSync([this] {
            script_ = "echo broken >&2; exit 1";
            preFork_->restartServers();
        });
        CPPUNIT_ASSERT(eventually([this] { return log_->contains("event=prefork.restart_stopped"); }));
        CPPUNIT_ASSERT(log_->contains("STDERR: broken"));
        CPPUNIT_ASSERT(pids() == before);
    }

    void testAProgramThatClosesItsOutputIsEnded() {
        run("ack; exec sleep 60 >&-");
        const pid_t pid = *pids().begin();
        CPPUNIT_ASSERT(eventually([this] { return log_->contains("event=prefork.worker_mute"); }));
        CPPUNIT_ASSERT(eventually([pid] { return !runs(pid); }));
    }

    void testTheInputOfAProgramEndsWithTheMonitor() {
        const ForkedMonitor monitor([this] {
            // The kernel does not kill the child of the worker, but the child reads the end of its
            // input. The shell gives background commands another input.
            run("ack; exec 4<&0; (read wait <&4; exit 0) & exec sleep 60");
        });
        std::vector<pid_t> below;
        CPPUNIT_ASSERT(eventually([&] { return (below = descendantsOf(monitor.pid())).size() >= 2; }));
        monitor.kill();
        for (const pid_t pid : below) {
            CPPUNIT_ASSERT(eventually([pid] { return !runs(pid); }));
        }
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(ProgramLauncherTest);

}  // namespace Passenger
