#include "commands/ProgramMain.h"

#include <cppunit/extensions/HelperMacros.h>
#include <fcntl.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <functional>
#include <iterator>
#include <string>
#include <vector>

#include "base/Exceptions.h"
#include "base/FileDescriptor.h"

namespace Passenger {

class ProgramMainTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(ProgramMainTest);
    CPPUNIT_TEST(testTheTextOfAFailureDoesNotReachTheTerminalAsControlCharacters);
    CPPUNIT_TEST_SUITE_END();

public:
    // The agent may have given it.
    void testTheTextOfAFailureDoesNotReachTheTerminalAsControlCharacters() {
        CPPUNIT_ASSERT_EQUAL(
            std::string("passenger-x: a\\x1b]52;c;YQ\\x07\n  b\n"),
            errorsOf([](const std::vector<std::string> &) -> int { throw IOException("a\x1b]52;c;YQ\x07\n  b"); }));
    }

private:
    static std::string errorsOf(const std::function<int(std::vector<std::string>)> &run) {
        const std::string path = "/tmp/passenger-unit-ProgramMainTest." + std::to_string(::getpid());
        std::fflush(stderr);
        const FileDescriptor before(::fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0));
        const FileDescriptor file(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
        ::dup2(file.get(), STDERR_FILENO);
        std::string name = "passenger-x";
        char *words[] = {name.data(), nullptr};
        const int status = runProgram("passenger-x", 1, words, run);
        std::fflush(stderr);
        ::dup2(before.get(), STDERR_FILENO);
        std::ifstream stream(path);
        const std::string text{std::istreambuf_iterator<char>(stream), {}};
        ::unlink(path.c_str());
        CPPUNIT_ASSERT_EQUAL(1, status);
        return text;
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(ProgramMainTest);

}  // namespace Passenger
