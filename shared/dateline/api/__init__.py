"""The HTTP face: routes, shapes of bodies and answers, authentication. `functions/api/app.py` hands events to `http.handle`."""
