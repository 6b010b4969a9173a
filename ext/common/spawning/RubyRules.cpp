#include "spawning/RubyRules.h"

#include <string_view>

namespace Passenger {

namespace {

/** `/srv/blog/config.ru:3` in `/srv/blog/config.ru:3: syntax error, …`. */
Finding syntaxError(const FailureFacts &failure) {
    if (!isA(failure, {"SyntaxError"})) {
        return std::nullopt;
    }
    const std::string_view message = beginning(failure.exceptionMessage);
    const std::string_view line = message.substr(0, message.find('\n'));
    for (auto at = line.find(':'); at != std::string_view::npos; at = line.find(':', at + 1)) {
        const auto end = line.find_first_not_of("0123456789", at + 1);
        if (end != at + 1 && end != std::string_view::npos && line[end] == ':') {
            return std::string(line.substr(0, end));
        }
    }
    return "the application's code";
}

Finding missingLibrary(const FailureFacts &failure) {
    return isA(failure, {"LoadError", "Gem::LoadError"})
               ? behind(failure.exceptionMessage, "cannot load such file -- ", " \n")
               : std::nullopt;
}

/**
 * The gem that Bundler wants to install although a Debian package provides it. Only a Bundler
 * without Debian's patches does so.
 */
Finding gemInstalledAnew(const FailureFacts &failure) {
    return has(failure.exceptionMessage, ".gem for installation")
               ? behind(failure.exceptionMessage, "Could not find ", " \n")
               : std::nullopt;
}

/** The path of Gemfile.lock, if Bundler has to write it and may not. */
Finding lockNotWritten(const FailureFacts &failure) {
    const Finding path = isA(failure, {"Bundler::PermissionError"})
                             ? behind(failure.exceptionMessage, "trying to write to `", "`\n")
                             : std::nullopt;
    return path && path->ends_with("lock") ? path : std::nullopt;
}

Finding missingGem(const FailureFacts &failure) {
    if (isA(failure, {"Bundler::GemNotFound", "Gem::MissingSpecError", "Gem::MissingSpecVersionError"}) ||
        has(failure.exceptionMessage, "is not part of the bundle")) {
        const std::string_view message = beginning(failure.exceptionMessage);
        return std::string(message.substr(0, message.find('\n')));
    }
    return std::nullopt;
}

Finding missingVariable(const FailureFacts &failure) {
    return isA(failure, {"KeyError"}) ? behind(failure.exceptionMessage, "key not found: \"", "\"") : std::nullopt;
}

/** The path in `… @ rb_sysopen - /srv/blog/config/x.yml`. */
Finding fileOf(const FailureFacts &failure, std::string_view exceptionClass) {
    if (failure.exceptionClass != exceptionClass) {
        return std::nullopt;
    }
    const Finding path = behind(failure.exceptionMessage, " - ", "\n");
    return path ? path : Finding("a file");
}

constexpr DiagnosisRule RULES[] = {
    {syntaxError,
     "The file does not follow Ruby's grammar: {}. It may be written for a newer Ruby than the one that runs it.",
     "Correct the line that the message names, or the line before it. Check with: ruby -c FILE. PassengerRuby chooses "
     "the Ruby."},
    {[](const FailureFacts &f) { return when(f.exceptionClass == "Bundler::RubyVersionMismatch"); },
     "The Gemfile asks for another version of Ruby than the one that runs the application.",
     "Set PassengerRuby (or PassengerDefaultRuby) to the Ruby that the Gemfile requires, or change the Gemfile's line "
     "\"ruby\"."},
    {gemInstalledAnew,
     "Ruby's own Bundler wants to install {} while the application loads. This Bundler does not know that a package of "
     "Debian has installed that gem.",
     "Do not install gems during a start. Replace gemfile(true) of bundler/inline by gemfile, and bundle install by "
     "bundle lock --local --update, which uses the installed gems."},
    {lockNotWritten,
     "{} is missing or does not fit the Gemfile, and the application's user may not write it. Perhaps bundle install "
     "has failed.",
     "Run bundle install in the application's folder, as its owner. If it \"could not find\" a gem \"for "
     "installation\", the gems come from Debian's packages: run bundle lock --local --update instead."},
    {missingGem, "A gem is not installed for this Ruby and this user: {}",
     "Run bundle install in the application's folder, as the user and with the Ruby that are named below. Where the "
     "gems come from Debian's packages, run bundle lock --local --update instead: it uses the installed versions."},
    {[](const FailureFacts &f) {
         return when(hasAny(f.exceptionMessage, {"already activated", "but your Gemfile requires"}));
     },
     "Two versions of a gem are required: one was loaded before the application's Gemfile was read.",
     "Run bundle update for that gem, or name it in the Gemfile."},
    {[](const FailureFacts &f) { return when(f.step == "Bundler"); },
     "Bundler could not set up the application's gems.",
     "Run bundle install in the application's folder, as the user and with the Ruby that are named below, and read its "
     "messages."},
    {missingLibrary,
     "This Ruby does not find the library \"{}\": its gem is not installed or not in the Gemfile, or the path is "
     "wrong.",
     "Add the gem to the Gemfile and run bundle install, as the user and with the Ruby that are named below; or "
     "correct the require."},
    {missingVariable, "The application requires \"{}\", most likely an environment variable, and it is not set.",
     "Set it in httpd's configuration (SetEnv {} VALUE), and look at the environment below."},
    {[](const FailureFacts &f) { return fileOf(f, "Errno::EACCES"); },
     "The user that the application runs as has no permission for {}, or for a folder above it.",
     "Give the user that is named below the permission (chown, chmod; folders need x). PassengerUser chooses another "
     "user."},
    {[](const FailureFacts &f) { return fileOf(f, "Errno::EPERM"); }, "The application's user has no permission for {}",
     "Check which permission the application needs. PassengerUser chooses another user."},
    {[](const FailureFacts &f) { return fileOf(f, "Errno::ENOENT"); }, "The file or folder does not exist: {}",
     "Check that it was deployed, and that its path fits the application's folder."},
    {[](const FailureFacts &f) {
         return when(isA(f, {"Errno::EMFILE", "Errno::ENFILE"}));
     },
     "The process has reached its limit of open files and sockets.",
     "Raise the limit of httpd's service (systemd: LimitNOFILE=; Debian: also APACHE_ULIMIT_MAX_FILES in "
     "/etc/apache2/envvars), or change the application so that it opens fewer."},
    {[](const FailureFacts &f) {
         return when(isA(f, {"Errno::ENOSPC", "Errno::EDQUOT", "Errno::EROFS"}));
     },
     "The application writes while it loads, and the file system is full or read-only.",
     "Free space, or give the application a folder where it may write."},
    {[](const FailureFacts &f) {
         return when(isA(f, {"ActiveRecord::ConnectionNotEstablished", "ActiveRecord::DatabaseConnectionError",
                             "ActiveRecord::NoDatabaseError", "PG::ConnectionBad", "Mysql2::Error::ConnectionError",
                             "Redis::CannotConnectError", "RedisClient::CannotConnectError", "Errno::ECONNREFUSED"}));
     },
     "The application needs a database or another server while it loads, and cannot reach it.",
     "Check that the server runs, and that the application's settings have the right address and account."},
    {[](const FailureFacts &f) {
         return when(isA(f, {"ActiveSupport::MessageEncryptor::InvalidMessage",
                             "ActiveSupport::EncryptedFile::MissingKeyError"}) ||
                     hasAny(f.exceptionMessage, {"secret_key_base"}));
     },
     "The application's secrets cannot be read: the key is missing or wrong.",
     "Set SECRET_KEY_BASE or RAILS_MASTER_KEY in httpd's configuration (SetEnv), or deploy config/master.key, readable "
     "for the application's user."},
    {[](const FailureFacts &f) {
         return when(isA(f, {"NameError", "NoMethodError", "ArgumentError", "TypeError"}));
     },
     "The application or one of its gems has an error, or a gem has another version than the application expects.",
     "See the first lines of the backtrace that belong to the application."},
    {[](const FailureFacts &f) { return when(has(f.exceptionMessage, "gives no application to run")); },
     "The startup file does not call run.", "Its last line should be: run YOUR_APPLICATION"},
    {[](const FailureFacts &f) { return when(f.step == "Ruby started"); },
     "The Ruby interpreter does not exist, or the application's user may not execute it (all folders above it need x).",
     "Set PassengerRuby (or PassengerDefaultRuby) to the whole path, and run it as that user: RUBY -v"},
    {[](const FailureFacts &f) { return when(shellFoundNoInterpreter(f)); },
     "The login shell of the application's user could not start the Ruby interpreter: it does not exist, or that user "
     "may not execute it.",
     "Set PassengerRuby (or PassengerDefaultRuby) to the whole path, and run it as that user: RUBY -v"},
};

}  // namespace

std::span<const DiagnosisRule> rubyRules() noexcept {
    return RULES;
}

}  // namespace Passenger
