"""Reports: each takes results and returns a Document, which `render` shows in any format.

    document = leaderboard_document(boards)
    render(document, "markdown")

Takes results, knows no database, prints nothing.
"""
