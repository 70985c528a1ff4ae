"""A Chinese resume (简历) read into a record with English keys."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field


class Education(BaseModel):
    """One school attended."""

    school: str = Field(description="学校")
    degree: Literal["大专", "本科", "硕士", "博士"]
    major: str = Field(description="专业")
    graduated: int = Field(description="毕业年份")


class Resume(BaseModel):
    """The facts that a recruiter searches by."""

    name: str = Field(description="姓名")
    phone: str = Field(description="电话")
    email: str | None = Field(description="邮箱")
    position: str = Field(description="求职意向")
    years: int = Field(description="工作年限")
    education: list[Education] = Field(description="教育经历")
    skills: list[str] = Field(description="技能")
