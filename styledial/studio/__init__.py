"""`styledial studio`: writing and training on one page in a browser, by Gradio.

    guard.py     what may be asked of the server: by whom, from where, which paths
    server.py    the page behind the guard on one port
    page.py      what is on the page and which function each button calls
    slider.py    the slider's end and steps, and what is written beside it
    desk.py      writing with a run at several strengths
    form.py      a training from its preset: settings, plan, command line
    jobs.py      trainings as processes of their own
    live.py      a run as its files say it goes
    places.py    the folders that were given; the page names runs by keys, never by paths
    html.py      words, figures and logs as HTML, everything escaped

Nothing else imports this package.
"""
