#include "bridge/Application.h"

#include <cppunit/extensions/HelperMacros.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "io/SocketPair.h"
#include "support/Eventually.h"
#include "support/LeakCheck.h"

namespace Passenger {

using namespace std::chrono_literals;

/** The port of an application behind a bridge, which is a process of its own. */
class ApplicationTest : public LeakCheck {
    CPPUNIT_TEST_SUITE(ApplicationTest);
    CPPUNIT_TEST(testACommandWhosePortIsTakenIsStartedOnceMoreWithAnotherOne);
    CPPUNIT_TEST(testACommandThatEndsOfItselfIsNotStartedAgain);
    CPPUNIT_TEST_SUITE_END();

    enum Result { ACCEPTS, FAILS, ENDS };

    std::string folder_;
    pid_t bridge_ = 0;

    std::string path(const char *name) const { return folder_ + "/" + name; }

    void start(const std::string &command) {
        bridge_ = ::fork();
        CPPUNIT_ASSERT(bridge_ >= 0);
        if (bridge_ == 0) {
            ::_exit(run(command));
        }
    }

    static Result run(const std::string &command) {
        const DescriptorPair agent = makeStreamPair();
        Bridge::Application application({{"start_command", command}}, "");
        application.start();
        try {
            const auto deadline = std::chrono::steady_clock::now() + 60s;
            const bool accepts = application.awaitAccepting(agent.first.get(), deadline);
            application.finish();
            return accepts ? ACCEPTS : ENDS;
        } catch (const Bridge::StartFailure &) {
            return FAILS;
        }
    }

    Result result() {
        int status = 0;
        CPPUNIT_ASSERT_EQUAL(bridge_, ::waitpid(bridge_, &status, 0));
        bridge_ = 0;
        CPPUNIT_ASSERT(WIFEXITED(status));
        return static_cast<Result>(WEXITSTATUS(status));
    }

    /** The ports of the starts, one a line. */
    std::vector<int> ports() const {
        std::vector<int> found;
        std::ifstream file(path("ports"));
        for (std::string line; std::getline(file, line) && !file.eof();) {
            found.push_back(std::stoi(line));
        }
        return found;
    }

public:
    void setUp() override {
        LeakCheck::setUp();
        folder_ = std::filesystem::temp_directory_path() / "passenger-test-XXXXXX";
        CPPUNIT_ASSERT(::mkdtemp(folder_.data()) != nullptr);
    }

    void tearDown() override {
        if (bridge_ != 0) {
            ::kill(bridge_, SIGKILL);
            ::waitpid(bridge_, nullptr, 0);
        }
        std::filesystem::remove_all(folder_);
        LeakCheck::tearDown();
    }

    void testACommandWhosePortIsTakenIsStartedOnceMoreWithAnotherOne() {
        const char *ruby = std::getenv("RUBY");
        start("echo $PORT >> " + path("ports") + "; until [ -e " + path("go") + " ]; do sleep 0.01; done; exec " +
              std::string(ruby != nullptr ? ruby : "ruby") +
              " -rsocket -e 'server = TCPServer.new(\"127.0.0.1\", ENV[\"PORT\"].to_i); loop { server.accept }'");
        CPPUNIT_ASSERT(eventually([this] { return !ports().empty(); }));
        // As the end of a connection.
        const FileDescriptor other(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_port = htons(static_cast<std::uint16_t>(ports().front()));
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        CPPUNIT_ASSERT_EQUAL(0, ::bind(other.get(), reinterpret_cast<const sockaddr *>(&address), sizeof(address)));
        std::ofstream(path("go")).close();
        CPPUNIT_ASSERT_EQUAL(ACCEPTS, result());
        CPPUNIT_ASSERT_EQUAL(std::size_t{2}, ports().size());
        CPPUNIT_ASSERT(ports().front() != ports().back());
    }

    void testACommandThatEndsOfItselfIsNotStartedAgain() {
        start("echo $PORT >> " + path("ports") + "; exit 3");
        CPPUNIT_ASSERT_EQUAL(FAILS, result());
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, ports().size());
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(ApplicationTest);

}  // namespace Passenger
