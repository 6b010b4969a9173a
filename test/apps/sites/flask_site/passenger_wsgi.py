from flask import (Flask, Response, flash, get_flashed_messages, jsonify, redirect, request,
                   session, url_for)

application = Flask(__name__)
application.secret_key = "secret"

@application.post("/login")
def login():
    session["user"] = request.form["user"]
    flash("welcome")
    return redirect(url_for("user"))

@application.get("/user")
def user():
    return jsonify(user=session.get("user"), messages=get_flashed_messages())

@application.route("/about/<path:name>")
def about(name):
    return jsonify(name=name, url=url_for("user", _external=True), root=request.script_root,
                   secure=request.is_secure, address=request.remote_addr,
                   arguments=request.args.getlist("a"))

@application.post("/upload")
def upload():
    return jsonify({name: [sent.filename, len(sent.read())]
                    for name, sent in request.files.items()})

@application.get("/stream")
def stream():
    return Response(("line %d\n" % number for number in range(1000)), mimetype="text/plain")

@application.get("/raises")
def raises():
    raise ValueError("on purpose")
