#include "commands/CommandTable.h"

#include <cppunit/extensions/HelperMacros.h>

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>

#include "commands/CommandHelp.h"
#include "documents/Completion.h"
#include "documents/ManPage.h"
#include "support/SourceFolder.h"

namespace Passenger {

class CommandTableTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(CommandTableTest);
    CPPUNIT_TEST(testHelpNamesEachOptionAndFitsIntoATerminal);
    CPPUNIT_TEST(testTheManPageHasEachCommandAndOption);
    CPPUNIT_TEST(testEachCommandAboutAPathSaysWhatThePathMeans);
    CPPUNIT_TEST(testCompletionsHaveEachCommandAndOption);
    CPPUNIT_TEST(testTheDocumentsHaveEachCommandAndOption);
    CPPUNIT_TEST(testTheDocumentHasTheExitStatusesOfEachCommand);
    CPPUNIT_TEST(testTextIsWrappedBetweenWords);
    CPPUNIT_TEST_SUITE_END();

    static void expectIn(const std::string &text, const std::string &part) {
        CPPUNIT_ASSERT_MESSAGE(part + " is missing in\n" + text, text.find(part) != std::string::npos);
    }

    static bool isUsual(const ExitSpec &one) {
        const auto &usual = usualStatuses();
        return std::any_of(usual.begin(), usual.end(), [&one](const ExitSpec &other) {
            return other.status == one.status && std::string_view(other.meaning) == one.meaning;
        });
    }

public:
    void testHelpNamesEachOptionAndFitsIntoATerminal() {
        for (const CommandSpec &command : allCommands()) {
            const std::string text = helpText(command);
            for (const OptionSpec &option : command.options) {
                expectIn(text, std::string("--") + option.name);
            }
            std::size_t column = 0;
            for (const char c : text) {
                column = c == '\n' ? 0 : column + 1;
                CPPUNIT_ASSERT_MESSAGE(text, column <= 80);
            }
        }
        expectIn(programHelpText("passenger-config"), "\n  restart-app             restart applications\n");
    }

    void testTheManPageHasEachCommandAndOption() {
        for (const CommandSpec &command : allCommands()) {
            const std::string page = manPage(command.program);
            expectIn(page, ".SH NAME\n");
            for (const OptionSpec &option : command.options) {
                std::string name = std::string("--") + option.name;
                for (std::size_t at = 0; (at = name.find('-', at)) != std::string::npos; at += 2) {
                    name.replace(at, 1, "\\-");
                }
                expectIn(page, name);
            }
        }
    }

    void testEachCommandAboutAPathSaysWhatThePathMeans() {
        for (const CommandSpec &command : allCommands()) {
            if (std::string_view(command.operands) == "[PATH]") {
                expectIn(command.description, "With a slash at its end");
            }
        }
    }

    void testCompletionsHaveEachCommandAndOption() {
        for (const CommandSpec &command : allCommands()) {
            const std::string bash = bashCompletion(command.program);
            const std::string zsh = zshCompletion(command.program);
            expectIn(bash, command.name);
            expectIn(zsh, command.name);
            for (const OptionSpec &option : command.options) {
                expectIn(bash, std::string("--") + option.name);
                expectIn(zsh, std::string("'--") + option.name);
            }
        }
    }

    void testTheDocumentsHaveEachCommandAndOption() {
        for (const char *name : {"COMMANDS.md", "COMPATIBILITY.md", "PREFORK.md"}) {
            std::ifstream file(sourceFolder() / "doc" / name);
            const std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
            for (const CommandSpec &command : allCommands()) {
                const bool isPrefork = std::string_view(command.program) == "passenger-prefork";
                if (isPrefork != (std::string_view(name) == "PREFORK.md")) {
                    continue;
                }
                expectIn(text, command.fullName());
                for (const OptionSpec &option : command.options) {
                    expectIn(text, std::string("--") + option.name);
                }
            }
        }
    }

    void testTheDocumentHasTheExitStatusesOfEachCommand() {
        std::string table;
        for (const ExitSpec &one : usualStatuses()) {
            table += fmt::format("| each, if not below | {} | {} |\n", one.status, one.meaning);
        }
        for (const CommandSpec &command : allCommands()) {
            for (const ExitSpec &one : command.statuses) {
                if (!isUsual(one)) {
                    table += fmt::format("| {} | {} | {} |\n", command.fullName(), one.status, one.meaning);
                }
            }
        }
        std::ifstream file(sourceFolder() / "doc/COMMANDS.md");
        const std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
        CPPUNIT_ASSERT_MESSAGE("doc/COMMANDS.md must have this table:\n" + table,
                               text.find("|---|---|---|\n" + table + "\n") != std::string::npos);
    }

    void testTextIsWrappedBetweenWords() {
        CPPUNIT_ASSERT_EQUAL(std::string("  ab cd\n  efgh\n"), wrapped("ab cd efgh", 2, 8));
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(CommandTableTest);

}  // namespace Passenger
