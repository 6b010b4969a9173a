#pragma once

#include "apache2/config/Directive.h"

namespace Passenger::Directives {

/** The directives whose values may also differ by request. */
inline constexpr std::array REQUEST{
    Directive{"PassengerEnabled", Context::LOCAL, flag(&Settings::enabled).readBy(Reader::HTTPD), "On",
              "Off: httpd alone serves this place"},
    Directive{
        "PassengerHighPerformance",
        Context::LOCAL,
        flag(&Settings::highPerformance).readBy(Reader::HTTPD),
        "Off",
        "URLs of no file go to the application without .htaccess files, <Directory> and <Files> sections, and so "
        "without the rules of mod_rewrite and the access rules in them; those of <Location> and <If> sections hold. "
        "Has no effect in <Directory>, <Files> and .htaccess (COMPATIBILITY.md)",
        {},
        nullptr,
        nullptr,
        {Idle::When::IN_FOLDERS,
         "has no effect in <Directory>, <Files> and .htaccess: set it for the server, a virtual host or a <Location>"}},
    Directive{"PassengerBufferUpload", Context::LOCAL, flag(&Settings::bufferUpload).readBy(Reader::HTTPD), "On",
              "a request is queued when httpd has received the whole body: up to 128 KiB of it in memory, a longer "
              "body in PassengerDataBufferDir. So a client that sends slowly, stalls or leaves occupies no instance, "
              "and the application knows the length of a chunked body, too (CONTENT_LENGTH). Off: the application "
              "reads a body that is chunked or above 3 KiB while it arrives, and a slow client occupies an instance; "
              "for Rack a chunked body has HTTP_TRANSFER_ENCODING and no length. A body with a length or a "
              "Content-Encoding still arrives whole if a filter of httpd (SetInputFilter, mod_security) may change it"},
    Directive{"PassengerBufferResponse", Context::LOCAL, flag(&Settings::bufferResponse).readBy(Reader::HTTPD), "Off",
              "the client receives a response only once it is complete, so that a response that breaks off becomes a "
              "clean 502. A response longer than PassengerResponseBufferHighWatermark is streamed from there on"},
    Directive{
        "PassengerErrorOverride", Context::LOCAL, flag(&Settings::errorOverride).readBy(Reader::HTTPD), "Off",
        "httpd's ErrorDocument replaces an answer of the application with a status of 400 or more. An answer with a "
        "status that httpd does not know (418, 499, 520) stays. The ErrorDocument also replaces the page for a request "
        "that is refused, unless PassengerFriendlyErrorPages On or PassengerCustomErrorPage chooses that page"},
    Directive{"PassengerAllowEncodedSlashes", Context::OPTIONS,
              flag(&Settings::allowEncodedSlashes).readBy(Reader::HTTPD), "Off",
              "%2F in the path of a URL reaches the application, where httpd's AllowEncodedSlashes lets it through"},
    Directive{"PassengerStickySessions", Context::LOCAL, flag(&Settings::stickySessions).sets(&Options::stickySessions),
              "Off", "a cookie leads a client's requests to the instance that answered the client's last request"},
    Directive{"PassengerStickySessionsCookieName", Context::LOCAL,
              text(&Settings::stickySessionsCookieName, Form::COOKIE_NAME).readBy(Reader::HTTPD), "_passenger_route",
              "name of the cookie of PassengerStickySessions"},
    Directive{"PassengerStickySessionsCookieAttributes", Context::LOCAL,
              text(&Settings::stickySessionsCookieAttributes).readBy(Reader::HTTPD), "SameSite=Lax; Secure",
              "attributes of that cookie besides HttpOnly and Path, which is the application's base URI. Where a proxy "
              "or a RewriteRule adds the base URI to the client's URL, a Path=/ here replaces it"},
    Directive{"PassengerFriendlyErrorPages", Context::LOCAL, flag(&Settings::friendlyErrorPages).readBy(Reader::HTTPD),
              "On with PassengerAppEnv development, else Off",
              "the error page of an application that does not start shows the exception, the output, the environment "
              "(secrets are hidden) and more. Off: the page shows the report's number only"},
    Directive{"PassengerAnswerFiles", Context::APPLICATION, flag(&Settings::answerFiles).readBy(Reader::HTTPD), "Off",
              "a large file in an answer (wsgi.file_wrapper, a Rack body with to_path) goes to httpd as an open file: "
              "less CPU, and the instance is free at once. For applications that you trust, and that do not change a "
              "file after they have answered with it"},
    Directive{"PassengerTransferConnections", Context::LOCAL,
              flag(&Settings::transferConnections).readBy(Reader::HTTPD), "On",
              "an application that takes a client's connection over (WebSocket, rack.hijack) gets the client's own "
              "socket, and so does an event stream of a Node or ASGI application; for a command the bridge gets it: no "
              "thread of httpd is needed. With TLS, HTTP/2 or another module's filter, and with Off, a thread of httpd "
              "passes the bytes on"},
    Directive{"PassengerServerTiming", Context::LOCAL, flag(&Settings::serverTiming).readBy(Reader::HTTPD), "Off",
              "an answer tells the browser how long the request waited and how long the application took for the head "
              "of the answer, in milliseconds: `Server-Timing: queue;dur=1.2, app;dur=35.0`. The application's own "
              "Server-Timing stays"},
    Directive{
        "PassengerRequestStart", Context::LOCAL, flag(&Settings::requestStart).readBy(Reader::HTTPD), "Off",
        "the application gets the header `X-Request-Start: t=MICROSECONDS`, the time at which httpd began to read "
        "the request, unless the request has one. Agents for application monitoring compute the time in the "
        "queue from it; the time in which a client sends a body counts, too"},
    Directive{
        "PassengerStatusDetails", Context::APPLICATION, flag(&Settings::statusDetails).readBy(Reader::HTTPD), "Off",
        "the answers of SetHandler passenger-status show paths, pids, users, the reasons of failures, and events. "
        "Set it where only administrators may read"},
    Directive{"PassengerHealthQueueAge", Context::APPLICATION,
              number(&Settings::healthQueueAge, 1, LONG_TIME, Form::SECONDS).readBy(Reader::HTTPD), "5",
              "seconds that a request may have waited in the queue; from then on SetHandler passenger-health answers "
              "503"},
    Directive{"PassengerSlowRequestLog", Context::LOCAL,
              number(&Settings::slowRequestLog, 0, 3'600'000, Form::TIME).sets(&Options::slowRequestTime), "0",
              "the log tells each request whose answer has not begun within this time, waiting included, with the "
              "backtraces of the instance's threads at that moment (Ruby, Python; Node, if its event loop is blocked). "
              "0: none"},
    Directive{
        "PassengerMaxRequestTime", Context::LOCAL,
        number(&Settings::maxRequestTime, 0, LONG_TIME, Form::SECONDS).sets(&Options::maxRequestTime), "0",
        "seconds that an instance may take for a request; then the request gets 504, the log the backtraces of the "
        "instance's threads, and the instance is killed. 0: no limit"},
    Directive{
        "PassengerPriority", Context::LOCAL, choice(&Settings::priority, PRIORITIES).readBy(Reader::DERIVED), "normal",
        "which requests are refused first when requests wait. low: a request is refused when a quarter of "
        "PassengerMaxRequestQueueSize waits already, when no instance can begin it within a quarter of "
        "PassengerQueueTarget, or when the application has half of its share of httpd's threads. One such request "
        "a second in each httpd child counts as normal. high: they may wait where a quarter more than "
        "PassengerMaxRequestQueueSize waits, and for twice PassengerQueueTarget; a fifth of the requests in flight "
        "may be others in any case"},
    Directive{
        "PassengerFairnessKey", Context::LOCAL, text(&Settings::fairnessKey, Form::FAIRNESS).readBy(Reader::HTTPD),
        "off",
        "whose requests share the places where requests wait: those of a client's address (client, as mod_remoteip "
        "has it; of IPv6 the first 64 bits), of a user that httpd has authenticated (user), of a header "
        "(header:X-Api-Key) or of a variable of SetEnv, SetEnvIf or a RewriteRule (env:NAME). Requests without "
        "that value count by the client's address. They may hold at most as many places in the queue as are free; "
        "further ones are refused. Behind a balancer it needs mod_remoteip: else all clients have the balancer's "
        "address"},
    Directive{"PassengerMaxRequestQueueTime", Context::LOCAL,
              number(&Settings::maxRequestQueueTime, 0, LONG_TIME, Form::SECONDS).sets(&Options::maxQueueTime), "0",
              "seconds that a request may wait for an instance; then the request gets 504, and no instance receives "
              "it. 0: no limit"},
};

}  // namespace Passenger::Directives
