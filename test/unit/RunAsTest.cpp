#include "agent/RunAs.h"

#include <cppunit/extensions/HelperMacros.h>
#include <grp.h>
#include <pwd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "base/ChildProcess.h"
#include "base/FileDescriptor.h"
#include "support/AgentProgram.h"
#include "support/LeakCheck.h"

namespace Passenger {

using namespace std::chrono_literals;

/** Runs `passenger-agent run-as`. Only root can change its user. */
class RunAsTest : public LeakCheck {
    CPPUNIT_TEST_SUITE(RunAsTest);
    CPPUNIT_TEST(testTheProgramHasTheUsersIdsAndGroups);
    CPPUNIT_TEST(testTheProgramHasTheGivenGroup);
    CPPUNIT_TEST(testTheProgramHasTheUsersEnvironmentAndTheRootFolder);
    CPPUNIT_TEST(testTheProgramHasNoCapability);
    CPPUNIT_TEST(testAnUnknownUserOrGroupIsNamed);
    CPPUNIT_TEST(testAProgramThatCannotBeExecutedIsNamed);
    CPPUNIT_TEST(testNothingIsExecutedIfTheUserOrGroupCannotBeChanged);
    CPPUNIT_TEST(testWrongArgumentsAreRefused);
    CPPUNIT_TEST_SUITE_END();

    struct Result {
        int status = 0;
        std::string output;
    };

    static bool isRoot() {
        return ::geteuid() == 0;
    }

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

    static std::string agent() {
        return passengerRoot() + "/passenger-agent";
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
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(RunAsTest);

}  // namespace Passenger
