#include "agent/RunAs.h"

#include <cppunit/extensions/HelperMacros.h>
#include <grp.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <pwd.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/ChildProcess.h"
#include "base/FileDescriptor.h"
#include "support/AgentProgram.h"
#include "support/Eventually.h"
#include "support/LeakCheck.h"
#include "support/SocketFilter.h"

namespace Passenger {

using namespace std::chrono_literals;

/** Runs `passenger-agent run-as`. Only root can change its user. */
class RunAsTest : public LeakCheck {
    CPPUNIT_TEST_SUITE(RunAsTest);
    CPPUNIT_TEST(testTheProgramHasTheUsersIdsAndGroups);
    CPPUNIT_TEST(testTheProgramHasTheGivenGroup);
    CPPUNIT_TEST(testTheProgramHasTheUsersEnvironmentAndTheRootFolder);
    CPPUNIT_TEST(testTheProgramHasNoCapability);
    CPPUNIT_TEST(testALimitedProgramGainsNoRights);
    CPPUNIT_TEST(testALimitedProgramChangesNoFileAndSignalsNobody);
    CPPUNIT_TEST(testALimitedProgramConnectsToItsPortsOnly);
    CPPUNIT_TEST(testALimitedProgramHasNoCallsThatItDoesNotNeed);
    CPPUNIT_TEST(testALimitedProgramStartsOthers);
    CPPUNIT_TEST(testAnUnknownUserOrGroupIsNamed);
    CPPUNIT_TEST(testAProgramThatCannotBeExecutedIsNamed);
    CPPUNIT_TEST(testNothingIsExecutedIfTheUserOrGroupCannotBeChanged);
    CPPUNIT_TEST(testWrongArgumentsAreRefused);
    CPPUNIT_TEST_SUITE_END();

    /** A TCP socket of 127.0.0.1 that takes connections. */
    class ListeningPort {
    public:
        ListeningPort() {
            sockaddr_in address{};
            address.sin_family = AF_INET;
            address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
            auto *const pointer = reinterpret_cast<sockaddr *>(&address);
            socklen_t size = sizeof(address);
            CPPUNIT_ASSERT(::bind(socket_.get(), pointer, size) == 0 && ::listen(socket_.get(), 8) == 0 &&
                           ::getsockname(socket_.get(), pointer, &size) == 0);
            number_ = ntohs(address.sin_port);
        }
        std::uint16_t number() const { return number_; }

    private:
        const FileDescriptor socket_{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
        std::uint16_t number_ = 0;
    };

    struct Result {
        int status = 0;
        std::string output;
    };

    static bool isRoot() { return ::geteuid() == 0; }

    static void expectIn(const std::string &text, const std::string &part) {
        CPPUNIT_ASSERT_MESSAGE(text, text.find(part) != std::string::npos);
    }

    static Result run(const std::string &program, const std::vector<std::string> &arguments) {
        DescriptorPair output = makePipe();
        ChildProcess::Command command;
        command.program = program;
        command.arguments = arguments;
        command.descriptors = {{output.second.get(), STDOUT_FILENO}, {output.second.get(), STDERR_FILENO}};
        ChildProcess process(command);
        output.second.reset();
        Result result;
        std::array<char, 4096> buffer;
        for (ssize_t size; (size = ::read(output.first.get(), buffer.data(), buffer.size())) > 0;) {
            result.output.append(buffer.data(), static_cast<std::size_t>(size));
        }
        const auto status = process.wait(60s);
        CPPUNIT_ASSERT(status.has_value() && WIFEXITED(*status));
        result.status = WEXITSTATUS(*status);
        return result;
    }

    static Result runAs(std::vector<std::string> arguments) {
        arguments.insert(arguments.begin(), "run-as");
        return run(agent(), arguments);
    }

    /** The version of Landlock; 0: none, or the build limits nothing. */
    static long landlock() {
        constexpr long CREATE_RULESET = 444;
        return std::max(::syscall(CREATE_RULESET, nullptr, 0, 1), 0L);
    }

    static std::string agent() { return passengerRoot() + "/passenger-agent"; }

    static std::string limitedRuby(const std::string &program) {
        return runAs({"--limits", "on", "", "nobody", "", "ruby", "-rsocket", "-e", program}).output;
    }

    static std::string socketOf(int family, int type, int protocol) {
        return fmt::format("begin; Socket.new({}, {}, {}); rescue SystemCallError; p $!.errno; end", family, type,
                           protocol);
    }

public:
    void testTheProgramHasTheUsersIdsAndGroups() {
        if (!isRoot()) {
            return;
        }
        const passwd &nobody = *::getpwnam("nobody");
        const Result result = runAs({"nobody", "", "sh", "-c", "id -u; id -ru; id -g; id -G"});
        CPPUNIT_ASSERT_EQUAL(fmt::format("{0}\n{0}\n{1}\n{1}\n", nobody.pw_uid, nobody.pw_gid), result.output);
        CPPUNIT_ASSERT_EQUAL(0, result.status);
    }

    void testTheProgramHasTheGivenGroup() {
        if (!isRoot()) {
            return;
        }
        const gid_t daemon = ::getgrnam("daemon")->gr_gid;
        CPPUNIT_ASSERT_EQUAL(fmt::format("{0}\n{0}\n", daemon),
                             runAs({"nobody", "daemon", "sh", "-c", "id -g; id -G"}).output);
    }

    void testTheProgramHasTheUsersEnvironmentAndTheRootFolder() {
        if (!isRoot()) {
            return;
        }
        const passwd &nobody = *::getpwnam("nobody");
        const Result result = runAs({"nobody", "", "sh", "-c", "echo $HOME $USER $LOGNAME $SHELL; pwd"});
        CPPUNIT_ASSERT_EQUAL(fmt::format("{} nobody nobody {}\n/\n", nobody.pw_dir, nobody.pw_shell), result.output);
    }

    void testTheProgramHasNoCapability() {
        if (!isRoot()) {
            return;
        }
        const std::string status = runAs({"nobody", "", "cat", "/proc/self/status"}).output;
        for (const char *name : {"CapInh", "CapPrm", "CapEff", "CapAmb"}) {
            expectIn(status, fmt::format("{}:\t0000000000000000\n", name));
        }
    }

    void testALimitedProgramGainsNoRights() {
        if (!isRoot()) {
            return;
        }
        expectIn(runAs({"--limits", "off", "", "nobody", "", "cat", "/proc/self/status"}).output, "NoNewPrivs:\t1\n");
        expectIn(runAs({"nobody", "", "cat", "/proc/self/status"}).output, "NoNewPrivs:\t0\n");
    }

    void testALimitedProgramChangesNoFileAndSignalsNobody() {
        constexpr long WITH_SCOPES = 6;
        if (!isRoot() || landlock() < WITH_SCOPES) {
            return;
        }
        ChildProcess::Command command;
        command.program = agent();
        command.arguments = {"run-as", "nobody", "", "sleep", "600"};
        ChildProcess other(command);
        const std::string path = "/tmp/passenger-unit-RunAsTest." + std::to_string(::getpid());
        // The process is nobody's when it can be signalled.
        const std::string script = fmt::format(
            "touch {0} 2>/dev/null && echo written; rm -f {0} 2>/dev/null; kill -0 {1} 2>/dev/null && echo signalled; "
            "echo done",
            path, other.pid());
        std::string unlimited;
        eventually([&] {
            unlimited = runAs({"nobody", "", "sh", "-c", script}).output;
            return unlimited == "written\nsignalled\ndone\n";
        });
        CPPUNIT_ASSERT_EQUAL(std::string("written\nsignalled\ndone\n"), unlimited);
        const std::string limited = runAs({"--limits", "on", "", "nobody", "", "sh", "-c", script}).output;
        other.signal(SIGKILL);
        other.wait(60s);
        CPPUNIT_ASSERT_EQUAL(std::string("done\n"), limited);
    }

    void testALimitedProgramConnectsToItsPortsOnly() {
        constexpr long WITH_TCP = 4;
        if (!isRoot() || landlock() < WITH_TCP) {
            return;
        }
        const std::array<ListeningPort, 2> ports;
        const auto script = [&](const ListeningPort &port) {
            return fmt::format("exec 3<>/dev/tcp/127.0.0.1/{} && echo connected", port.number());
        };
        for (const auto &port : ports) {
            const std::string list = std::to_string(port.number()) + ",1";
            for (const auto &other : ports) {
                const std::string output =
                    runAs({"--limits", "on", list, "nobody", "", "bash", "-c", script(other)}).output;
                CPPUNIT_ASSERT_MESSAGE(output, output.ends_with("connected\n") == (&port == &other));
            }
        }
    }

    /** A new user namespace, a kernel's cipher, and a way to all sockets of the machine. */
    void testALimitedProgramHasNoCallsThatItDoesNotNeed() {
        if (!isRoot()) {
            return;
        }
        std::vector<std::pair<std::string, std::string>> attempts{
            {fmt::format("fork {{ syscall({}, {}) }}; Process.wait; p $?.termsig", SYS_unshare, CLONE_NEWUSER),
             fmt::format("{}\n", SIGSYS)},
            {fmt::format("begin; syscall({}, {}, 0, 0, 0, 0); rescue SystemCallError; p $!.errno; end", SYS_clone,
                         CLONE_NEWUSER | SIGCHLD),
             fmt::format("{}\n", ENOSYS)},
        };
        if (SOCKETS_ARE_FILTERED) {
            const std::string refusal = fmt::format("{}\n", EAFNOSUPPORT);
            attempts.emplace_back(socketOf(AF_ALG, SOCK_SEQPACKET, 0), refusal);
            attempts.emplace_back(socketOf(AF_NETLINK, SOCK_DGRAM, NETLINK_SOCK_DIAG), refusal);
        }
        for (const auto &[program, said] : attempts) {
            CPPUNIT_ASSERT_EQUAL(said, limitedRuby(program));
        }
    }

    /** A wrapper of a version manager does this, and becomes Ruby. Ruby's threads wake each
     *  other. */
    void testALimitedProgramStartsOthers() {
        if (!isRoot()) {
            return;
        }
        const std::string script =
            "name=$(echo ruby | cat); exec $name -rsocket -e 't = Thread.new { sleep }; sleep 0.01; t.kill.join; "
            "p Socket.ip_address_list.any?'";
        CPPUNIT_ASSERT_EQUAL(std::string("true\n"),
                             runAs({"--limits", "on", "", "nobody", "", "bash", "-c", script}).output);
    }

    void testAnUnknownUserOrGroupIsNamed() {
        if (!isRoot()) {
            return;
        }
        Result result = runAs({"no-such-user", "", "true"});
        CPPUNIT_ASSERT_EQUAL(std::string("passenger-agent: cannot become user \"no-such-user\": no such user exists\n"),
                             result.output);
        CPPUNIT_ASSERT_EQUAL(EXIT_FAILURE, result.status);
        result = runAs({"nobody", "no-such-group", "true"});
        CPPUNIT_ASSERT_EQUAL(std::string("passenger-agent: cannot become user \"nobody\": group \"no-such-group\": no "
                                         "such group exists\n"),
                             result.output);
    }

    void testAProgramThatCannotBeExecutedIsNamed() {
        if (!isRoot()) {
            return;
        }
        const Result result = runAs({"nobody", "", "/nonexistent/ruby"});
        CPPUNIT_ASSERT_EQUAL(std::string("passenger-agent: user \"nobody\" cannot execute \"/nonexistent/ruby\": No "
                                         "such file or directory\n"),
                             result.output);
        CPPUNIT_ASSERT_EQUAL(127, result.status);
    }

    // Root without a capability, as in some containers.
    void testNothingIsExecutedIfTheUserOrGroupCannotBeChanged() {
        if (!isRoot() || ::access("/usr/bin/setpriv", X_OK) != 0) {
            return;
        }
        for (const char *capability : {"setuid", "setgid"}) {
            const Result result = run("/usr/bin/setpriv", {fmt::format("--bounding-set=-{}", capability), agent(),
                                                           "run-as", "nobody", "", "echo", "executed"});
            CPPUNIT_ASSERT_EQUAL_MESSAGE(result.output, EXIT_FAILURE, result.status);
            expectIn(result.output, "cannot become user \"nobody\": ");
            expectIn(result.output, "Operation not permitted");
        }
    }

    void testWrongArgumentsAreRefused() {
        CPPUNIT_ASSERT_EQUAL(2, runAs({}).status);
        CPPUNIT_ASSERT_EQUAL(2, runAs({"nobody", ""}).status);
        CPPUNIT_ASSERT_EQUAL(2, runAs({"--limits", "on", "80", "nobody", ""}).status);
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(RunAsTest);

}  // namespace Passenger
