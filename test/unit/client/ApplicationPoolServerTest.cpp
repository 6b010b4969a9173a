#include "client/ApplicationPoolServer.h"

#include <cppunit/extensions/HelperMacros.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <vector>

#include "base/Exceptions.h"
#include "base/PidFd.h"
#include "base/ProcessTree.h"
#include "support/AgentProgram.h"
#include "support/Eventually.h"
#include "support/Expect.h"
#include "support/SpawningFixture.h"
#include "support/StreamClient.h"

namespace Passenger {

using namespace std::chrono_literals;

namespace {

/** Waits for the end of all processes that are below one now. */
class Family {
public:
    explicit Family(pid_t root) {
        for (const pid_t pid : childrenOf(root)) {
            try {
                pidFds_.push_back(openPidFd(pid));
            } catch (const SystemException &) {
                // The process has ended since then, like the helper of a start.
                continue;
            }
            Family below(pid);
            std::move(below.pidFds_.begin(), below.pidFds_.end(), std::back_inserter(pidFds_));
        }
    }
    std::size_t size() const noexcept { return pidFds_.size(); }
    bool endsWithin(std::chrono::milliseconds limit) const {
        for (const auto &pidFd : pidFds_) {
            if (!waitPidFd(pidFd, limit)) {
                return false;
            }
        }
        return true;
    }

private:
    std::vector<FileDescriptor> pidFds_;
};

std::size_t openDescriptors() {
    const std::filesystem::directory_iterator entries("/proc/self/fd");
    return static_cast<std::size_t>(std::distance(begin(entries), end(entries)));
}

/** The pool process among the processes below `root`. */
pid_t poolProcessBelow(pid_t root) {
    for (const pid_t pid : descendantsOf(root)) {
        std::ifstream file("/proc/" + std::to_string(pid) + "/cmdline");
        std::string program;
        std::string command;
        if (std::getline(file, program, '\0') && std::getline(file, command, '\0') && command == "pool") {
            return pid;
        }
    }
    return 0;
}

}  // namespace

class ApplicationPoolServerTest : public LeakCheck {
    CPPUNIT_TEST_SUITE(ApplicationPoolServerTest);
    CPPUNIT_TEST(testTheExampleOfTheDocumentationWorks);
    CPPUNIT_TEST(testChildrenShareInstances);
    CPPUNIT_TEST(testAChildMayConnectAfterItsParentHasConnected);
    CPPUNIT_TEST(testDetachFreesTheServersDescriptors);
    CPPUNIT_TEST(testConnectingAfterDetachIsAnError);
    CPPUNIT_TEST(testADetachedPoolFindsTheNextPoolProcess);
    CPPUNIT_TEST(testTheServersDestructorInAChildEndsNothing);
    CPPUNIT_TEST(testTheDestructorEndsEverything);
    CPPUNIT_TEST(testTheDestructorEndsInstancesThatHaveASession);
    CPPUNIT_TEST(testAPoolThatOutlivesItsServerIsAnErrorAtOnce);
    CPPUNIT_TEST(testWhenTheOwnerIsKilledEverythingEnds);
    CPPUNIT_TEST(testALogFileThatCannotBeOpenedIsAnIOException);
    CPPUNIT_TEST(testTheLogFileGetsWhatApplicationsPrint);
    CPPUNIT_TEST(testAsRootAnUnknownUserIsASpawnException);
    CPPUNIT_TEST(testAMissingRubyIsAnError);
    CPPUNIT_TEST(testAMissingSpawnServerIsASpawnException);
    CPPUNIT_TEST(testTheEnvironmentReachesApplications);
    CPPUNIT_TEST(testWithoutAnEnvironmentTheVariableIsUsed);
    CPPUNIT_TEST_SUITE_END();

    std::unique_ptr<CapturedLog> log_;
    std::unique_ptr<ApplicationFolder> folder_;

    static std::string spawnServer() { return passengerRoot() + "/lib/passenger/spawn/spawn_server.rb"; }

    /** Runs `work` in a forked process. @return its result; fails the test when it throws */
    static std::string inChild(const std::function<std::string()> &work) {
        DescriptorPair pipe = makePipe();
        const pid_t pid = ::fork();
        if (pid == 0) {
            int status = EXIT_SUCCESS;
            std::string result;
            try {
                result = work();
            } catch (const std::exception &error) {
                result = error.what();
                status = EXIT_FAILURE;
            }
            const ssize_t written = ::write(pipe.second.get(), result.data(), result.size());
            ::_exit(written < 0 ? EXIT_FAILURE : status);
        }
        pipe.second.reset();
        std::string result;
        char buffer[4096];
        for (ssize_t size; (size = ::read(pipe.first.get(), buffer, sizeof(buffer))) > 0;) {
            result.append(buffer, static_cast<std::size_t>(size));
        }
        int status = 0;
        CPPUNIT_ASSERT_EQUAL(pid, ::waitpid(pid, &status, 0));
        CPPUNIT_ASSERT_EQUAL_MESSAGE("In the child: " + result, 0, status);
        return result;
    }

    std::string answer(ApplicationPool &pool) const {
        const ApplicationPool::SessionPtr session = pool.get(folder_->path());
        return bodyOf(exchange(*session, "/"));
    }

public:
    void setUp() override {
        LeakCheck::setUp();
        log_ = std::make_unique<CapturedLog>();
        folder_ = std::make_unique<ApplicationFolder>(
            "puts 'the application was loaded'\n"
            "run ->(env) { [200, {}, [\"#{Process.pid} #{ENV['RAILS_ENV']}\"]] }\n");
    }

    void tearDown() override {
        folder_.reset();
        log_.reset();
        LeakCheck::tearDown();
    }

    void testTheExampleOfTheDocumentationWorks() {
        const std::string foo = folder_->path();
        const DescriptorPair result = makePipe();
        const auto do_something_with = [&](const ApplicationPool::SessionPtr &session) {
            const std::string text = exchange(*session, "/");
            CPPUNIT_ASSERT(::write(result.second.get(), text.data(), text.size()) > 0);
        };

        // Create an ApplicationPoolServer.
        ApplicationPoolServer server(spawnServer());

        // Now fork a child process, like Apache's prefork MPM eventually will.
        pid_t pid = fork();
        if (pid == 0) {
            // Child process
            try {
                // Connect to the server. After connection, we have an ApplicationPool
                // object!
                ApplicationPoolPtr pool(server.connect());

                // The child process doesn't run a server (only the parent process does) so we call
                // detach to free the server resources (things like file descriptors).
                server.detach();

                ApplicationPool::SessionPtr session(pool->get(foo));
                do_something_with(session);
            } catch (...) {
                _exit(1);
            }

            _exit(0);
        } else {
            // Parent process
            int status = -1;
            waitpid(pid, &status, 0);
            CPPUNIT_ASSERT_EQUAL(0, status);
        }

        char buffer[4096];
        const ssize_t size = ::read(result.first.get(), buffer, sizeof(buffer));
        CPPUNIT_ASSERT(std::string(buffer, static_cast<std::size_t>(size)).starts_with("Status: 200"));
    }

    void testChildrenShareInstances() {
        ApplicationPoolServer server(spawnServer());
        const auto child = [&] {
            const ApplicationPoolPtr pool = server.connect();
            server.detach();
            return answer(*pool);
        };
        const std::string first = inChild(child);
        CPPUNIT_ASSERT_EQUAL(first, inChild(child));
        CPPUNIT_ASSERT_EQUAL(1U, server.connect()->getCount());
    }

    void testAChildMayConnectAfterItsParentHasConnected() {
        ApplicationPoolServer server(spawnServer());
        const ApplicationPoolPtr pool = server.connect();
        const std::string ours = answer(*pool);
        CPPUNIT_ASSERT_EQUAL(ours, inChild([&] { return answer(*server.connect()); }));
        CPPUNIT_ASSERT_EQUAL(ours, answer(*pool));
    }

    void testDetachFreesTheServersDescriptors() {
        const std::size_t before = openDescriptors();
        ApplicationPoolServer server(spawnServer());
        CPPUNIT_ASSERT(openDescriptors() > before);
        // The other descriptor is the writing end of the pipe, which the child has.
        CPPUNIT_ASSERT_EQUAL(std::to_string(before + 2), inChild([&] {
                                 server.detach();
                                 return std::to_string(openDescriptors());
                             }));
    }

    void testConnectingAfterDetachIsAnError() {
        ApplicationPoolServer server(spawnServer());
        const std::string text = inChild([&] {
            server.detach();
            return std::string(thrownBy<IOException>([&] { server.connect(); }).what());
        });
        CPPUNIT_ASSERT_MESSAGE(text, text.find("detached") != std::string::npos);
    }

    void testADetachedPoolFindsTheNextPoolProcess() {
        ApplicationPoolServer server(spawnServer());
        const pid_t poolProcess = poolProcessBelow(::getpid());
        const std::string text = inChild([&]() -> std::string {
            const ApplicationPoolPtr pool = server.connect();
            server.detach();
            const std::string before = answer(*pool);
            const pid_t spawnServerPid = pool->getSpawnServerPid();
            ::kill(poolProcess, SIGKILL);
            const bool replaced = eventually([&] { return pool->getSpawnServerPid() != spawnServerPid; });
            return !replaced ? "not replaced" : answer(*pool) == before ? "the same instance" : "another instance";
        });
        CPPUNIT_ASSERT_EQUAL(std::string("the same instance"), text);
    }

    void testTheServersDestructorInAChildEndsNothing() {
        auto server = std::make_unique<ApplicationPoolServer>(spawnServer());
        const std::string first = answer(*server->connect());
        inChild([&]() -> std::string {
            server.reset();
            return "";
        });
        CPPUNIT_ASSERT(server->alive());
        CPPUNIT_ASSERT_EQUAL(first, answer(*server->connect()));
    }

    void testTheDestructorEndsEverything() {
        auto server = std::make_unique<ApplicationPoolServer>(spawnServer());
        answer(*server->connect());
        const Family family(::getpid());
        CPPUNIT_ASSERT_MESSAGE("Watchdog, pool, spawn server, preloader and instance", family.size() >= 5);
        server.reset();
        CPPUNIT_ASSERT(family.endsWithin(0ms));
    }

    void testTheDestructorEndsInstancesThatHaveASession() {
        folder_->setStartupFile("run ->(env) { puts 'it sleeps'; sleep }\n");
        auto server = std::make_unique<ApplicationPoolServer>(spawnServer());
        ApplicationPoolPtr pool = server->connect();
        ApplicationPool::SessionPtr session = pool->get(folder_->path());
        session->sendHeaders(requestEnvironment("/"));
        session->closeWriter();
        CPPUNIT_ASSERT(eventually([this] { return log_->contains("it sleeps"); }));
        const Family family(::getpid());
        server.reset();
        CPPUNIT_ASSERT(family.endsWithin(0ms));
        char byte;
        CPPUNIT_ASSERT_EQUAL(ssize_t{0}, ::read(session->getReader(), &byte, 1));
    }

    void testAPoolThatOutlivesItsServerIsAnErrorAtOnce() {
        auto server = std::make_unique<ApplicationPoolServer>(spawnServer());
        const ApplicationPoolPtr pool = server->connect();
        answer(*pool);
        server.reset();
        const auto begun = std::chrono::steady_clock::now();
        thrownBy<IOException>([&] { answer(*pool); });
        CPPUNIT_ASSERT(std::chrono::steady_clock::now() - begun < 5s);
    }

    void testWhenTheOwnerIsKilledEverythingEnds() {
        DescriptorPair ready = makePipe();
        const pid_t owner = ::fork();
        if (owner == 0) {
            try {
                ApplicationPoolServer server(spawnServer());
                answer(*server.connect());
                if (::write(ready.second.get(), "!", 1) == 1) {
                    ::pause();
                }
            } catch (...) {
            }
            ::_exit(1);
        }
        ready.second.reset();
        char byte;
        CPPUNIT_ASSERT_EQUAL_MESSAGE("the owner has failed", ssize_t{1}, ::read(ready.first.get(), &byte, 1));
        const Family family(owner);
        CPPUNIT_ASSERT(family.size() >= 5);
        CPPUNIT_ASSERT_EQUAL(0, ::kill(owner, SIGKILL));
        CPPUNIT_ASSERT_EQUAL(owner, ::waitpid(owner, nullptr, 0));
        CPPUNIT_ASSERT(family.endsWithin(60s));
    }

    void testALogFileThatCannotBeOpenedIsAnIOException() {
        const auto error =
            thrownBy<IOException>([] { ApplicationPoolServer(spawnServer(), "/there/is/no/such/folder/log"); });
        CPPUNIT_ASSERT_MESSAGE(error.what(),
                               std::string(error.what()).find("/there/is/no/such/folder/log") != std::string::npos);
    }

    void testTheLogFileGetsWhatApplicationsPrint() {
        const std::string file = folder_->path() + "/log";
        {
            ApplicationPoolServer server(spawnServer(), file);
            answer(*server.connect());
        }
        std::ifstream stream(file);
        const std::string text((std::istreambuf_iterator<char>(stream)), std::istreambuf_iterator<char>());
        CPPUNIT_ASSERT_MESSAGE(text, text.find("the application was loaded") != std::string::npos);
        CPPUNIT_ASSERT_MESSAGE("Nothing of it here", !log_->contains("the application was loaded"));
    }

    void testAsRootAnUnknownUserIsASpawnException() {
        const auto make = [] { ApplicationPoolServer(spawnServer(), "", "production", "ruby", "no-such-user"); };
        if (::geteuid() != 0) {
            make();
            return;
        }
        const auto error = thrownBy<SpawnException>(make);
        CPPUNIT_ASSERT_MESSAGE(error.what(), std::string(error.what()).find("no-such-user") != std::string::npos);
    }

    void testAMissingRubyIsAnError() {
        try {
            const ApplicationPoolServer server(spawnServer(), "", "production", "/there/is/no/ruby");
            CPPUNIT_FAIL("Nothing was thrown");
        } catch (const SystemException &error) {
            CPPUNIT_ASSERT_EQUAL(ENOENT, error.error());
        } catch (const SpawnException &error) {
            CPPUNIT_ASSERT_MESSAGE(error.what(),
                                   std::string(error.what()).find("/there/is/no/ruby") != std::string::npos);
        }
    }

    void testAMissingSpawnServerIsASpawnException() {
        // The program is not looked for beside the missing spawn server.
        AgentSettings settings = agentSettings();
        settings.spawnServerCommand = "/there/is/no/spawn_server.rb";
        const auto error = thrownBy<SpawnException>([&] { ApplicationPoolServer server(settings); });
        CPPUNIT_ASSERT_MESSAGE(error.report(),
                               error.report().find("/there/is/no/spawn_server.rb") != std::string::npos);
    }

    void testTheEnvironmentReachesApplications() {
        ApplicationPoolServer server(spawnServer(), "", "staging");
        CPPUNIT_ASSERT(answer(*server.connect()).ends_with(" staging"));
    }

    void testWithoutAnEnvironmentTheVariableIsUsed() {
        ::setenv("RAILS_ENV", "review", 1);
        ApplicationPoolServer server(spawnServer(), "", "");
        ::unsetenv("RAILS_ENV");
        CPPUNIT_ASSERT(answer(*server.connect()).ends_with(" review"));
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(ApplicationPoolServerTest);

}  // namespace Passenger
