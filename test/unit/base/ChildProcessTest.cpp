#include "base/ChildProcess.h"

#include <cppunit/extensions/HelperMacros.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "support/Expect.h"
#include "support/LeakCheck.h"
#include "support/TestThread.h"

namespace Passenger {

namespace {

constexpr std::chrono::seconds LONG_ENOUGH(60);

ChildProcess::Command shell(const std::string &script) {
    ChildProcess::Command command;
    command.program = "/bin/sh";
    command.arguments = {"-c", script};
    return command;
}

/** A command that runs until it is killed. */
ChildProcess::Command sleeper() {
    ChildProcess::Command command;
    command.program = "sleep";
    command.arguments = {"1000"};
    return command;
}

ChildProcess::Command programOf(const char *program) {
    ChildProcess::Command command;
    command.program = program;
    return command;
}

bool forksAwaitEnd = false;

/** Called by fork() in the parent. With SIGCHLD ignored, the kernel reaps the children. */
void awaitEndOfChildren() {
    if (forksAwaitEnd) {
        ::waitpid(-1, nullptr, 0);
    }
}

FileDescriptor memoryFile(const char *name) {
    return FileDescriptor(::memfd_create(name, MFD_CLOEXEC));
}

std::string readAll(const FileDescriptor &fd) {
    std::string result;
    std::array<char, 1024> buffer;
    ssize_t size;
    while ((size = ::read(fd.get(), buffer.data(), buffer.size())) > 0) {
        result.append(buffer.data(), static_cast<std::size_t>(size));
    }
    return result;
}

/** The output of the command up to its end. */
std::string outputOf(ChildProcess::Command command) {
    DescriptorPair pipe = makePipe();
    command.descriptors.emplace_back(pipe.second.get(), STDOUT_FILENO);
    ChildProcess child(command);
    pipe.second.reset();
    std::string output = readAll(pipe.first);
    CPPUNIT_ASSERT(child.wait(LONG_ENOUGH) == 0);
    return output;
}

}  // namespace

class ChildProcessTest : public LeakCheck {
    CPPUNIT_TEST_SUITE(ChildProcessTest);
    CPPUNIT_TEST(testAProgramIsLookedUpInPath);
    CPPUNIT_TEST(testAMissingProgramIsAnErrorThatNamesIt);
    CPPUNIT_TEST(testAMissingProgramIsTheSameErrorIfTheKernelReapsAtOnce);
    CPPUNIT_TEST(testAFileThatCannotBeExecutedIsAnError);
    CPPUNIT_TEST(testAForbiddenProgramInPathIsReportedAsForbidden);
    CPPUNIT_TEST(testTheWaitStatusIsReturnedOnce);
    CPPUNIT_TEST(testWaitingGivesUpAtTheTimeout);
    CPPUNIT_TEST(testASignalIsNotSentAfterTheChildsEnd);
    CPPUNIT_TEST(testAZombieIsNotSignalled);
    CPPUNIT_TEST(testAChildThatWasReapedElsewhereHasAnUnknownStatus);
    CPPUNIT_TEST(testTheDestructorKillsAndReaps);
    CPPUNIT_TEST(testAssigningKillsAndReapsTheOldOne);
    CPPUNIT_TEST(testAMovedFromObjectHasNoChild);
    CPPUNIT_TEST(testAReleasedChildIsLeftAlone);
    CPPUNIT_TEST(testDescriptorsAreMapped);
    CPPUNIT_TEST(testDescriptorsThatSwapNumbersAreMapped);
    CPPUNIT_TEST(testADescriptorMayKeepItsNumberOrHaveTwo);
    CPPUNIT_TEST(testAllOtherDescriptorsAreClosed);
    CPPUNIT_TEST(testADescriptorThatIsNotOpenIsAnError);
    CPPUNIT_TEST(testStandardInputIsEmptyUnlessMapped);
    CPPUNIT_TEST(testTheEnvironmentIsTheCallersUnlessGiven);
    CPPUNIT_TEST(testSignalsAreDefaultAndUnblocked);
    CPPUNIT_TEST(testTheCallersSignalMaskIsRestored);
    CPPUNIT_TEST(testTheChildLeadsItsNewSession);
    CPPUNIT_TEST(testTheChildLeadsItsNewProcessGroup);
    CPPUNIT_TEST(testTheChildDiesWithTheThreadThatStartedIt);
    CPPUNIT_TEST(testWaitStatusesAreDescribed);
    CPPUNIT_TEST_SUITE_END();

public:
    void tearDown() override {
        forksAwaitEnd = false;
        ::signal(SIGCHLD, SIG_DFL);
        LeakCheck::tearDown();
    }

    void testAProgramIsLookedUpInPath() {
        ChildProcess::Command command;
        command.program = "echo";
        command.arguments = {"a b", "", "c"};
        CPPUNIT_ASSERT_EQUAL(std::string("a b  c\n"), outputOf(command));
    }

    void testAMissingProgramIsAnErrorThatNamesIt() {
        for (const char *program : {"/no/such/program", "no-such-program"}) {
            const auto error = thrownBy<SystemException>([&] { ChildProcess child(programOf(program)); });
            CPPUNIT_ASSERT_EQUAL(ENOENT, error.error());
            CPPUNIT_ASSERT_EQUAL(std::string("exec(\"") + program + "\"): No such file or directory",
                                 std::string(error.what()));
        }
    }

    /** As with the helpers of the rights process. */
    void testAMissingProgramIsTheSameErrorIfTheKernelReapsAtOnce() {
        CPPUNIT_ASSERT_EQUAL(0, ::pthread_atfork(nullptr, &awaitEndOfChildren, nullptr));
        ::signal(SIGCHLD, SIG_IGN);
        forksAwaitEnd = true;
        const auto error = thrownBy<SystemException>([] { ChildProcess child(programOf("/no/such/program")); });
        CPPUNIT_ASSERT_EQUAL(std::string("exec(\"/no/such/program\"): No such file or directory"),
                             std::string(error.what()));
    }

    void testAFileThatCannotBeExecutedIsAnError() {
        ChildProcess::Command command;
        command.program = "/etc/passwd";
        CPPUNIT_ASSERT_EQUAL(EACCES, errorOf([&] { ChildProcess child(command); }));
    }

    void testAForbiddenProgramInPathIsReportedAsForbidden() {
        const std::string path = std::getenv("PATH");
        ::setenv("PATH", "/etc:/nowhere", 1);
        ChildProcess::Command command;
        command.program = "passwd";
        const int error = errorOf([&] { ChildProcess child(command); });
        ::setenv("PATH", path.c_str(), 1);
        CPPUNIT_ASSERT_EQUAL(EACCES, error);
    }

    void testTheWaitStatusIsReturnedOnce() {
        ChildProcess child(shell("exit 3"));
        CPPUNIT_ASSERT(child.pid() > 0);
        const auto status = child.wait(LONG_ENOUGH);
        CPPUNIT_ASSERT(status);
        CPPUNIT_ASSERT_EQUAL(3, WEXITSTATUS(*status));
        CPPUNIT_ASSERT_EQUAL(pid_t{0}, child.pid());
        CPPUNIT_ASSERT(!child);
        CPPUNIT_ASSERT(!child.wait(LONG_ENOUGH));
    }

    void testWaitingGivesUpAtTheTimeout() {
        ChildProcess child(sleeper());
        CPPUNIT_ASSERT(!child.wait(std::chrono::milliseconds(0)));
        CPPUNIT_ASSERT(!child.wait(std::chrono::milliseconds(5)));
        CPPUNIT_ASSERT(child);
    }

    void testASignalIsNotSentAfterTheChildsEnd() {
        ChildProcess child(sleeper());
        CPPUNIT_ASSERT(child.signal(SIGTERM));
        const auto status = child.wait(LONG_ENOUGH);
        CPPUNIT_ASSERT(status && WIFSIGNALED(*status));
        CPPUNIT_ASSERT_EQUAL(SIGTERM, WTERMSIG(*status));
        CPPUNIT_ASSERT(!child.signal(SIGTERM));
    }

    void testAZombieIsNotSignalled() {
        ChildProcess child(shell("exit 0"));
        CPPUNIT_ASSERT(waitPidFd(child.pidFd(), LONG_ENOUGH));
        CPPUNIT_ASSERT(!child.signal(SIGTERM));
    }

    void testAChildThatWasReapedElsewhereHasAnUnknownStatus() {
        ChildProcess child(shell("exit 0"));
        CPPUNIT_ASSERT_EQUAL(child.pid(), ::waitpid(child.pid(), nullptr, 0));
        CPPUNIT_ASSERT(child.wait(LONG_ENOUGH) == UNKNOWN_WAIT_STATUS);
        CPPUNIT_ASSERT(!child);
    }

    void testTheDestructorKillsAndReaps() {
        pid_t pid;
        {
            const ChildProcess child(sleeper());
            pid = child.pid();
        }
        CPPUNIT_ASSERT_EQUAL(-1, ::kill(pid, 0));
        CPPUNIT_ASSERT_EQUAL(ESRCH, errno);
    }

    void testAssigningKillsAndReapsTheOldOne() {
        ChildProcess child(sleeper());
        const pid_t pid = child.pid();
        child = ChildProcess(sleeper());
        CPPUNIT_ASSERT(child);
        CPPUNIT_ASSERT_EQUAL(-1, ::kill(pid, 0));
    }

    void testAMovedFromObjectHasNoChild() {
        ChildProcess child(sleeper());
        const ChildProcess moved(std::move(child));
        CPPUNIT_ASSERT(!child);  // NOLINT(bugprone-use-after-move)
        CPPUNIT_ASSERT(moved);
        CPPUNIT_ASSERT_EQUAL(0, ::kill(moved.pid(), 0));
    }

    void testAReleasedChildIsLeftAlone() {
        pid_t pid;
        {
            ChildProcess child(sleeper());
            pid = child.release();
            CPPUNIT_ASSERT(!child);
        }
        CPPUNIT_ASSERT_EQUAL(0, ::kill(pid, SIGKILL));
        CPPUNIT_ASSERT_EQUAL(pid, ::waitpid(pid, nullptr, 0));
    }

    void testDescriptorsAreMapped() {
        const FileDescriptor file = memoryFile("given");
        auto command = shell("readlink /proc/$$/fd/0 /proc/$$/fd/9");
        command.descriptors = {{file.get(), 9}, {file.get(), STDIN_FILENO}};
        CPPUNIT_ASSERT_EQUAL(std::string("/memfd:given (deleted)\n/memfd:given (deleted)\n"), outputOf(command));
    }

    void testDescriptorsThatSwapNumbersAreMapped() {
        const FileDescriptor first = memoryFile("first");
        const FileDescriptor second = memoryFile("second");
        const FileDescriptor third = memoryFile("third");
        const std::string a = std::to_string(first.get());
        const std::string b = std::to_string(second.get());
        const std::string c = std::to_string(third.get());
        auto command = shell("cd /proc/$$/fd; readlink " + a + " " + b + " " + c);
        command.descriptors = {{first.get(), second.get()}, {second.get(), third.get()}, {third.get(), first.get()}};
        CPPUNIT_ASSERT_EQUAL(std::string("/memfd:third (deleted)\n/memfd:first (deleted)\n/memfd:second (deleted)\n"),
                             outputOf(command));
    }

    void testADescriptorMayKeepItsNumberOrHaveTwo() {
        const FileDescriptor file = memoryFile("kept");
        const int other = file.get() + 5;
        auto command = shell("cd /proc/$$/fd; readlink " + std::to_string(file.get()) + " " + std::to_string(other));
        command.descriptors = {{file.get(), file.get()}, {file.get(), other}};
        CPPUNIT_ASSERT_EQUAL(std::string("/memfd:kept (deleted)\n/memfd:kept (deleted)\n"), outputOf(command));
    }

    void testAllOtherDescriptorsAreClosed() {
        // Neither of these is close-on-exec. Their numbers are below, between and above the mapped
        // ones.
        std::vector<FileDescriptor> strangers;
        for (const int at : {20, 30, 40, 500}) {
            strangers.emplace_back(::fcntl(STDERR_FILENO, F_DUPFD, at));
        }
        ChildProcess::Command command;
        command.program = "ls";
        command.arguments = {"/proc/self/fd"};
        command.descriptors = {{STDERR_FILENO, 25}, {STDERR_FILENO, 35}, {STDERR_FILENO, 25}};
        // Descriptor 3 is the folder that ls reads.
        CPPUNIT_ASSERT_EQUAL(std::string("0\n1\n2\n25\n3\n35\n"), outputOf(command));
    }

    void testADescriptorThatIsNotOpenIsAnError() {
        auto command = shell("exit 0");
        command.descriptors = {{1'000'000, 5}};
        CPPUNIT_ASSERT_EQUAL(EBADF, errorOf([&] { ChildProcess child(command); }));
    }

    void testStandardInputIsEmptyUnlessMapped() {
        CPPUNIT_ASSERT_EQUAL(std::string("/dev/null\n"), outputOf(shell("readlink /proc/$$/fd/0")));
    }

    void testTheEnvironmentIsTheCallersUnlessGiven() {
        ChildProcess::Command command;
        command.program = "env";
        command.environment = {"A=1", "B=two words"};
        CPPUNIT_ASSERT_EQUAL(std::string("A=1\nB=two words\n"), outputOf(command));
        command.environment = std::vector<std::string>();
        CPPUNIT_ASSERT_EQUAL(std::string(), outputOf(command));
        command.environment.reset();
        CPPUNIT_ASSERT(outputOf(command).find(std::string("PATH=") + std::getenv("PATH")) != std::string::npos);
    }

    void testSignalsAreDefaultAndUnblocked() {
        sigset_t usr1;
        sigemptyset(&usr1);
        sigaddset(&usr1, SIGUSR1);
        sigset_t before;
        pthread_sigmask(SIG_BLOCK, &usr1, &before);
        const auto handler = ::signal(SIGPIPE, SIG_IGN);
        ChildProcess::Command command;
        command.program = "grep";
        command.arguments = {"-E", "Sig(Blk|Ign)", "/proc/self/status"};
        std::istringstream signals(outputOf(command));
        ::signal(SIGPIPE, handler);
        pthread_sigmask(SIG_SETMASK, &before, nullptr);
        std::string name;
        unsigned long long blocked = 1;
        unsigned long long ignored = 1;
        signals >> name >> std::hex >> blocked >> name >> ignored;
        // Signals 32 and 33 are glibc's own. The parent of the tests may have them ignored
        // (Debian's make does), and sigaction() refuses to reset them.
        constexpr unsigned long long GLIBC_SIGNALS = 3ULL << 31;
        CPPUNIT_ASSERT_EQUAL(0ULL, blocked);
        CPPUNIT_ASSERT_EQUAL(0ULL, ignored & ~GLIBC_SIGNALS);
    }

    void testTheCallersSignalMaskIsRestored() {
        sigset_t before;
        pthread_sigmask(SIG_SETMASK, nullptr, &before);
        outputOf(shell("exit 0"));
        sigset_t after;
        pthread_sigmask(SIG_SETMASK, nullptr, &after);
        for (int signal = 1; signal < NSIG; signal++) {
            CPPUNIT_ASSERT_EQUAL(sigismember(&before, signal), sigismember(&after, signal));
        }
    }

    void testTheChildLeadsItsNewSession() {
        auto command =
            shell("read -r pid name state parent group session rest </proc/$$/stat; echo $((pid - session))");
        CPPUNIT_ASSERT(outputOf(command) != "0\n");
        command.newSession = true;
        CPPUNIT_ASSERT_EQUAL(std::string("0\n"), outputOf(command));
    }

    void testTheChildLeadsItsNewProcessGroup() {
        auto command =
            shell("read -r pid name state parent group session rest </proc/$$/stat; echo $((pid - group)) $session");
        command.newGroup = true;
        CPPUNIT_ASSERT_EQUAL("0 " + std::to_string(::getsid(0)) + "\n", outputOf(command));
    }

    void testTheChildDiesWithTheThreadThatStartedIt() {
        ChildProcess child;
        TestThread([&] {
            auto command = sleeper();
            command.parentDeathSignal = SIGKILL;
            child = ChildProcess(command);
        }).join();
        const auto status = child.wait(LONG_ENOUGH);
        CPPUNIT_ASSERT(status && WIFSIGNALED(*status));
        CPPUNIT_ASSERT_EQUAL(SIGKILL, WTERMSIG(*status));
    }

    void testWaitStatusesAreDescribed() {
        CPPUNIT_ASSERT_EQUAL(std::string("exited with status 3"), describeWaitStatus(W_EXITCODE(3, 0)));
        CPPUNIT_ASSERT_EQUAL(std::string("killed by signal 9 (Killed)"), describeWaitStatus(W_EXITCODE(0, SIGKILL)));
        CPPUNIT_ASSERT_EQUAL(std::string("killed by signal 99 (unknown)"), describeWaitStatus(W_EXITCODE(0, 99)));
        CPPUNIT_ASSERT_EQUAL(std::string("ended in an unknown way"), describeWaitStatus(UNKNOWN_WAIT_STATUS));
        CPPUNIT_ASSERT_EQUAL(std::string("exited with status 3"), describeEnd(W_EXITCODE(3, 0)));
        CPPUNIT_ASSERT_EQUAL(std::string("was killed by signal 9 (Killed)"), describeEnd(W_EXITCODE(0, SIGKILL)));
        CPPUNIT_ASSERT_EQUAL(std::string("ended in an unknown way"), describeEnd(UNKNOWN_WAIT_STATUS));
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(ChildProcessTest);

}  // namespace Passenger
