#include "commands/EventForm.h"

#include <cppunit/extensions/HelperMacros.h>

#include <fstream>
#include <string>

#include "commands/CommandFailure.h"
#include "commands/EventTable.h"
#include "support/SourceFolder.h"

namespace Passenger {

class EventFormTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(EventFormTest);
    CPPUNIT_TEST(testTheTableHasEachRowOfThePage);
    CPPUNIT_TEST(testAnEventHasItsMeaningAndWhatToDo);
    CPPUNIT_TEST(testEventsOfOneNameAreAllThere);
    CPPUNIT_TEST(testAnUnknownNameIsRefusedWithSimilarOnes);
    CPPUNIT_TEST(testTheListHasEachEvent);
    CPPUNIT_TEST(testJsonHasTheSameRows);
    CPPUNIT_TEST_SUITE_END();

    static bool has(const std::string &text, const std::string &part) { return text.find(part) != std::string::npos; }
    static std::string failure(const std::string &name) {
        try {
            return eventForm(name);
        } catch (const CommandFailureException &problem) {
            return problem.what();
        }
    }

public:
    void testTheTableHasEachRowOfThePage() {
        std::ifstream page(sourceFolder() / "doc/EVENTS.md");
        std::size_t rows = 0;
        for (std::string line; std::getline(page, line);) {
            const std::size_t end = line.find("` | ");
            const bool isRow = line.starts_with("| `") && end != std::string::npos;
            rows += isRow && line.substr(0, end).find('.') != std::string::npos ? 1 : 0;
        }
        CPPUNIT_ASSERT(rows > 200);
        CPPUNIT_ASSERT_EQUAL(rows, allEvents().size());
    }

    void testAnEventHasItsMeaningAndWhatToDo() {
        const std::string text = eventForm("event=spawn.failed");
        CPPUNIT_ASSERT(text.starts_with("spawn.failed (error), Applications\n\n  An instance or preloader"));
        CPPUNIT_ASSERT(has(text, "\n\nWhat to do:\n  The lines with"));
        CPPUNIT_ASSERT_EQUAL(text, eventForm("spawn.failed"));
        // Without Markdown's links.
        CPPUNIT_ASSERT(has(eventForm("request.failed"), "TROUBLESHOOTING.md has each"));
    }

    void testEventsOfOneNameAreAllThere() {
        CPPUNIT_ASSERT_EQUAL(std::size_t{2}, eventsNamed("hook.failed").size());
        CPPUNIT_ASSERT(has(eventForm("hook.failed"), "\n\nhook.failed ("));
    }

    void testAnUnknownNameIsRefusedWithSimilarOnes() {
        CPPUNIT_ASSERT(has(failure("deploy.x"),
                           "there is no event \"deploy.x\"; there are deploy.again, deploy.alone, "
                           "deploy.answered, deploy.done"));
        CPPUNIT_ASSERT(has(failure("nonsense"), "passenger-config event lists all of them"));
    }

    void testTheListHasEachEvent() {
        const std::string list = eventList();
        CPPUNIT_ASSERT(list.starts_with("The agent:\n  accept.failed (error)\n"));
        for (const EventEntry &entry : allEvents()) {
            CPPUNIT_ASSERT(has(list, "  " + std::string(entry.name) + " (" + std::string(entry.levels) + ")\n"));
        }
    }

    void testJsonHasTheSameRows() {
        const std::string one = eventJson("event=spawn.failed");
        CPPUNIT_ASSERT_MESSAGE(one, one.find("\"event\": \"spawn.failed\"") != std::string::npos);
        CPPUNIT_ASSERT_MESSAGE(one, one.find("\"error\"") != std::string::npos);
        CPPUNIT_ASSERT(eventJson("").size() > 100 * one.size() / 2);
        CPPUNIT_ASSERT_THROW(eventJson("spawn.nothing"), CommandFailureException);
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(EventFormTest);

}  // namespace Passenger
