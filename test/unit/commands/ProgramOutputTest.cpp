#include "commands/ProgramOutput.h"

#include <cppunit/extensions/HelperMacros.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <string>

#include "base/Poll.h"
#include "io/SocketPair.h"
#include "support/HeldFolder.h"

namespace Passenger {

class ProgramOutputTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(ProgramOutputTest);
    CPPUNIT_TEST(testTheFirstLineThatIsNotEmptyIsShown);
    CPPUNIT_TEST(testControlCharactersAreNotShown);
    CPPUNIT_TEST(testAVeryLongLineIsCut);
    CPPUNIT_TEST(testOutputOfStandardErrorAndOfAFailureIsTaken);
    CPPUNIT_TEST(testAProgramThatTakesTooLongIsCutOff);
    CPPUNIT_TEST(testAProgramThatNoSignalEndsIsLeftBehind);
    CPPUNIT_TEST(testAProgramEndsWithTheCommandThatWaitsForIt);
    CPPUNIT_TEST_SUITE_END();

    static std::string firstLine(const std::string &text) { return ProgramOutput{true, false, text}.firstLine(); }

public:
    void testTheFirstLineThatIsNotEmptyIsShown() {
        CPPUNIT_ASSERT_EQUAL(std::string("ruby 3.1"), firstLine("ruby 3.1"));
        CPPUNIT_ASSERT_EQUAL(std::string("ruby 3.1"), firstLine("\n \nruby 3.1\n * Node: ok: v20"));
        CPPUNIT_ASSERT_EQUAL(std::string("it printed nothing"), firstLine(""));
        CPPUNIT_ASSERT_EQUAL(std::string("it printed nothing"), firstLine(" \n\n"));
    }

    void testControlCharactersAreNotShown() {
        const std::string line = firstLine("v20\r\t\x1b[2K\x07 * Ruby: ok");
        CPPUNIT_ASSERT(line.starts_with("v20") && line.ends_with(" * Ruby: ok"));
        CPPUNIT_ASSERT(
            std::none_of(line.begin(), line.end(), [](char c) { return static_cast<unsigned char>(c) < ' '; }));
    }

    void testAVeryLongLineIsCut() {
        CPPUNIT_ASSERT_EQUAL(std::string(500, 'x'), firstLine(std::string(100000, 'x')));
        CPPUNIT_ASSERT_EQUAL(std::string("it printed nothing"), firstLine(std::string(100000, '\n') + "late"));
    }

    void testOutputOfStandardErrorAndOfAFailureIsTaken() {
        const auto output = ProgramOutput::of("/bin/sh", {"-c", "echo; echo first >&2; echo second; exit 3"});
        CPPUNIT_ASSERT(!output.succeeded && !output.cutOff);
        CPPUNIT_ASSERT_EQUAL(std::string("first"), output.firstLine());
    }

    void testAProgramThatTakesTooLongIsCutOff() {
        const auto output = ProgramOutput::of("/bin/sh", {"-c", "echo begun; exec sleep 600"},
                                              ProgramOutput::Trust::FULL, std::chrono::milliseconds(300));
        CPPUNIT_ASSERT(!output.succeeded && output.cutOff);
    }

    void testAProgramThatNoSignalEndsIsLeftBehind() {
        std::string folder = std::filesystem::temp_directory_path() / "passenger-test.XXXXXX";
        CPPUNIT_ASSERT(::mkdtemp(folder.data()) != nullptr);
        {
            const HeldFolder held(folder);
            if (held.holds()) {
                const auto output = ProgramOutput::of("/bin/ls", {folder + "/missing"}, ProgramOutput::Trust::NONE,
                                                      std::chrono::milliseconds(300));
                CPPUNIT_ASSERT(output.cutOff);
            }
        }
        while (::waitpid(-1, nullptr, 0) > 0) {
        }
        std::filesystem::remove_all(folder);
    }

    // In a session of its own the program gets no signal of the terminal.
    void testAProgramEndsWithTheCommandThatWaitsForIt() {
        for (const auto trust : {ProgramOutput::Trust::NONE, ProgramOutput::Trust::FULL}) {
            // The program alone has the writing end once the command is dead.
            auto [reading, writing] = makePipe();
            const pid_t command = ::fork();
            if (command == 0) {
                const std::string pipe = "/proc/" + std::to_string(::getpid()) + "/fd/" + std::to_string(writing.get());
                ProgramOutput::of("/bin/sh", {"-c", "exec 9>" + pipe + "; echo >&9; exec sleep 600"}, trust);
                ::_exit(0);
            }
            writing.reset();
            char line = 0;
            CPPUNIT_ASSERT_EQUAL(ssize_t{1}, ::read(reading.get(), &line, 1));
            ::kill(command, SIGKILL);
            ::waitpid(command, nullptr, 0);
            CPPUNIT_ASSERT(pollUntil(reading.get(), POLLIN, deadlineIn(std::chrono::seconds(60))));
            CPPUNIT_ASSERT_EQUAL(ssize_t{0}, ::read(reading.get(), &line, 1));
        }
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(ProgramOutputTest);

}  // namespace Passenger
