"""One tree of refusals. Their words are safe to show to whom they are about."""

from __future__ import annotations

from typing import ClassVar

from flask_babel import gettext as _


class Refusal(Exception):
    """Something that the office will not do, said in words of the person who asked."""

    code: ClassVar[str] = "refused"
    status: ClassVar[int] = 400

    def __init__(self, words: str = "", **detail: object) -> None:
        super().__init__(words)
        self.said = words
        self.detail = detail

    def title(self) -> str:
        """What happened, in one sentence."""
        return self.said or _("这一步现在做不了。")

    def meaning(self) -> str:
        """What it means for the person, and what to do."""
        return _("您填的内容都还在。可以改了再试，也可以请我们打给您。")


class NotFound(Refusal):
    """Nothing there, or nothing there for this person: the two are not told apart."""

    code, status = "not-found", 404

    def title(self) -> str:
        return self.said or _("没有找到这一页。")

    def meaning(self) -> str:
        return _("链接可能打错了，或者这件事不归您看。可以回首页，或请我们打给您。")


class NotAllowed(Refusal):
    code, status = "not-allowed", 403

    def title(self) -> str:
        return self.said or _("这件事您的身份不能做。")

    def meaning(self) -> str:
        return _("没有任何改动。请换有这项权限的人来做。")


class LoginNeeded(Refusal):
    code, status = "login-needed", 401

    def title(self) -> str:
        return self.said or _("请先登录。")

    def meaning(self) -> str:
        return _("登录以后会回到这一页。")


class BadInput(Refusal):
    """Fields that cannot be taken as they are: `fields` maps a field's name to what is wrong with it."""

    code, status = "bad-input", 422

    def __init__(self, fields: dict[str, str], words: str = "") -> None:
        super().__init__(words or next(iter(fields.values()), ""), fields=fields)
        self.fields = fields


class NotPossible(Refusal):
    """The case's state knows no such act."""

    code, status = "case.not-possible", 409

    def title(self) -> str:
        return self.said or _("这个案子现在不能这样办。")

    def meaning(self) -> str:
        return _("没有任何改动。请看案子现在走到哪一步，再决定怎么办。")


class NotYet(Refusal):
    """The act is right but something is missing; names what."""

    code, status = "case.not-yet", 409

    def __init__(self, unmet: tuple[str, ...]) -> None:
        super().__init__(_("还差：%(what)s", what="、".join(unmet)), unmet=list(unmet))
        self.unmet = unmet

    def meaning(self) -> str:
        return _("补上以后就可以继续。没有任何改动。")


class Stale(Refusal):
    """Somebody else changed the case meanwhile."""

    code, status = "case.stale", 409

    def title(self) -> str:
        return _("别人刚刚改过这个案子。")

    def meaning(self) -> str:
        return _("您的这一步没有生效。请刷新看清楚，再做一次。")


class TooMany(Refusal):
    """A limit on tries; `after` is seconds to wait."""

    code, status = "too-many", 429

    def __init__(self, words: str, after: int) -> None:
        super().__init__(words, retry_after=after)
        self.after = after

    def meaning(self) -> str:
        return _("%(m)d 分钟后可以再试，或请我们打给您。", m=max(1, round(self.after / 60)))


class Unavailable(Refusal):
    """A part of the office that does not answer now; nothing was done."""

    code, status = "unavailable", 503

    def meaning(self) -> str:
        return _("没有任何改动，您填的内容都还在。请过一会儿再试，或请我们打给您。")
